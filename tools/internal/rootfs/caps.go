package rootfs

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// CapabilityXattr is the extended attribute that holds file capabilities.
const CapabilityXattr = "security.capability"

// capabilityNames are those of linux/capability.h, by number.
var capabilityNames = []string{
	"chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap", "linux_immutable",
	"net_bind_service", "net_broadcast", "net_admin", "net_raw", "ipc_lock", "ipc_owner", "sys_module", "sys_rawio",
	"sys_chroot", "sys_ptrace", "sys_pacct", "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time",
	"sys_tty_config", "mknod", "lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog",
	"wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore",
}

// EncodeCaps turns capability text as cap_to_text(3) writes it ("cap_net_raw=ep", "= cap_chown,cap_kill+ep") into the value
// of security.capability: version 2, 20 bytes (linux/capability.h, struct vfs_cap_data).
func EncodeCaps(text string) ([]byte, error) {
	var effective, permitted, inheritable uint64
	for _, clause := range strings.Fields(text) {
		at := strings.IndexAny(clause, "=+-")
		if at < 0 {
			return nil, fmt.Errorf("capabilities %q: no operator in %q", text, clause)
		}
		set, err := capSet(clause[:at])
		if err != nil {
			return nil, fmt.Errorf("capabilities %q: %w", text, err)
		}
		// One clause may hold several operators: "cap_chown=p+e".
		for rest := clause[at:]; rest != ""; {
			op := rest[0]
			end := strings.IndexAny(rest[1:], "=+-") + 1
			if end == 0 {
				end = len(rest)
			}
			if op == '=' {
				effective, permitted, inheritable = effective&^set, permitted&^set, inheritable&^set
			}
			for _, flag := range rest[1:end] {
				var to *uint64
				switch flag {
				case 'e':
					to = &effective
				case 'p':
					to = &permitted
				case 'i':
					to = &inheritable
				default:
					return nil, fmt.Errorf("capabilities %q: flag %q", text, flag)
				}
				if op == '-' {
					*to &^= set
				} else {
					*to |= set
				}
			}
			rest = rest[end:]
		}
	}
	if effective != 0 && effective != permitted|inheritable {
		return nil, fmt.Errorf("capabilities %q: a file has one effective bit for all its capabilities", text)
	}
	// VFS_CAP_REVISION_2, with VFS_CAP_FLAGS_EFFECTIVE in bit 0.
	magic := uint32(0x02000000)
	if effective != 0 {
		magic |= 1
	}
	out := make([]byte, 0, 20)
	for _, word := range []uint32{magic, uint32(permitted), uint32(inheritable), uint32(permitted >> 32), uint32(inheritable >> 32)} {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return out, nil
}

// capSet reads the names before an operator; none and "all" mean every capability.
func capSet(names string) (uint64, error) {
	if names == "" || names == "all" {
		return 1<<len(capabilityNames) - 1, nil
	}
	var set uint64
next:
	for name := range strings.SplitSeq(strings.ToLower(names), ",") {
		for i, known := range capabilityNames {
			if name == "cap_"+known {
				set |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("unknown capability %q", name)
	}
	return set, nil
}
