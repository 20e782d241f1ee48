# Preferences: priority of repositories, best, weak dependencies.
repo system 0 empty
repo far 0 testtags <inline>
#>=Pkg: A 3 1 noarch
#>=Pkg: M 1 1 noarch
#>=Req: web
#>=Rec: N
#>=Pkg: N 1 1 noarch
#>=Prv: web
#>=Pkg: K 1 1 noarch
#>=Prv: web
#>=Pkg: Z 2 1 noarch
#>=Req: gone
#>=Pkg: Z 1 1 noarch
repo near 5 testtags <inline>
#>=Pkg: A 1 1 noarch
#>=Pkg: A 2 1 noarch
system x86_64 rpm system
job install name A
result transaction,problems <inline>
#>install A-2-1.noarch@near
nextjob
solverflags ignorerecommended
job install name M
result transaction,problems <inline>
#>install M-1-1.noarch@far
#>install N-1-1.noarch@far
nextjob
job install name Z
result transaction,problems <inline>
#>install Z-1-1.noarch@far
nextjob
job install name Z [forcebest]
result transaction,problems <inline>
#>problem 00000000 info nothing provides gone needed by Z-2-1.noarch
