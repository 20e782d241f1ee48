module github.com/rules-slimrpm/rules_slimrpm

go 1.26
