package elfdeps

import "fmt"

// Numbers of e_machine.
const (
	em386       = 3
	emPPC       = 20
	emPPC64     = 21
	emS390      = 22
	emARM       = 40
	emX8664     = 62
	emAArch64   = 183
	emRISCV     = 243
	emLoongArch = 258
)

// machine names the RPM architecture family of an ELF machine. The class stands beside it in the result, so that x32 is
// x86_64 with class 32.
func machine(em uint16, is64, little bool) string {
	switch em {
	case em386:
		return "i386"
	case emX8664:
		return "x86_64"
	case emARM:
		return "arm"
	case emAArch64:
		return "aarch64"
	case emPPC:
		return "ppc"
	case emPPC64:
		if little {
			return "ppc64le"
		}
		return "ppc64"
	case emS390:
		if is64 {
			return "s390x"
		}
		return "s390"
	case emRISCV:
		if is64 {
			return "riscv64"
		}
		return "riscv32"
	case emLoongArch:
		if is64 {
			return "loongarch64"
		}
	}
	return fmt.Sprintf("em-%d", em)
}
