package main

const sysRenameat2 = 316 // renameat2(2)
