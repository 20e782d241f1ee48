# Requirements, files, sonames and versions.
repo system 0 empty
repo available 0 testtags <inline>
#>=Pkg: app 1 1 x86_64
#>=Req: libc.so.6(GLIBC_2.34)(64bit)
#>=Req: /usr/bin/tool
#>=Pkg: glibc 2.34 1 x86_64
#>=Prv: libc.so.6(GLIBC_2.34)(64bit)
#>=Pkg: glibc 2.28 1 x86_64
#>=Pkg: tool 1 1 noarch
#>=Fls: /usr/bin/tool
#>=Pkg: old 1 1 noarch
#>=Req: glibc < 2.30
#>=Pkg: new 1 1 noarch
#>=Req: glibc >= 2.30
system x86_64 rpm system
job install name app
result transaction,problems <inline>
#>install app-1-1.x86_64@available
#>install glibc-2.34-1.x86_64@available
#>install tool-1-1.noarch@available
nextjob
job install name old
result transaction,problems <inline>
#>install glibc-2.28-1.x86_64@available
#>install old-1-1.noarch@available
nextjob
job install name old
job install name new
result transaction,problems <inline>
#>problem 00000000 info package new requires glibc >= 2.30, but none of the providers can be installed
nextjob
job install name glibc = 2.28-1
result transaction,problems <inline>
#>install glibc-2.28-1.x86_64@available
nextjob
job install provides /usr/bin/tool
result transaction,problems <inline>
#>install tool-1-1.noarch@available
