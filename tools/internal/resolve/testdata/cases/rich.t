# Rich dependencies, conflicts and obsoletes.
repo system 0 empty
repo available 0 testtags <inline>
#>=Pkg: A 1 1 noarch
#>=Req: B <IF> C
#>=Pkg: B 1 1 noarch
#>=Pkg: C 1 1 noarch
#>=Pkg: D 1 1 noarch
#>=Req: gone | C
#>=Pkg: E 1 1 noarch
#>=Con: B & C
#>=Pkg: F 1 1 noarch
#>=Obs: C < 2
#>=Pkg: G 1 1 noarch
#>=Req: x + y
#>=Pkg: H 1 1 noarch
#>=Prv: x
#>=Pkg: I 1 1 noarch
#>=Prv: x
#>=Prv: y
system x86_64 rpm system
job install name A
result transaction,problems <inline>
#>install A-1-1.noarch@available
nextjob
job install name A
job install name C
result transaction,problems <inline>
#>install A-1-1.noarch@available
#>install B-1-1.noarch@available
#>install C-1-1.noarch@available
nextjob
job install name D
result transaction,problems <inline>
#>install C-1-1.noarch@available
#>install D-1-1.noarch@available
nextjob
job install name E
job install name B
job install name C
result transaction,problems <inline>
#>problem 00000000 info package E conflicts with (B & C)
nextjob
job install name F
job install name C
result transaction,problems <inline>
#>problem 00000000 info package F obsoletes C < 2 provided by C
nextjob
job install name G
result transaction,problems <inline>
#>install G-1-1.noarch@available
#>install I-1-1.noarch@available
