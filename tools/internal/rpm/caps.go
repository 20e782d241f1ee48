package rpm

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// capNames are Linux capabilities by number (capability.h).
var capNames = strings.Fields(`chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
	net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot sys_ptrace sys_pacct
	sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override
	mac_admin syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore`)

const vfsCapRevision2 = 0x02000000

// Capability turns the text of RPMTAG_FILECAPS (cap_from_text(3), such as "cap_net_raw=ep" or "= cap_chown+ep") into the value
// of the extended attribute security.capability, revision 2. Text without any capability gives nil.
func Capability(text string) ([]byte, error) {
	var effective, permitted, inheritable uint64
	for _, clause := range strings.Fields(text) {
		names, ops := clause, ""
		if i := strings.IndexAny(clause, "=+-"); i >= 0 {
			names, ops = clause[:i], clause[i:]
		} else {
			return nil, fmt.Errorf("capabilities %q: clause %q has no operator", text, clause)
		}
		mask, err := capMask(names)
		if err != nil {
			return nil, fmt.Errorf("capabilities %q: %w", text, err)
		}
		if names == "" && ops[0] != '=' {
			return nil, fmt.Errorf("capabilities %q: clause %q names none", text, clause)
		}
		for ops != "" {
			op := ops[0]
			end := strings.IndexAny(ops[1:], "=+-") + 1
			if end == 0 {
				end = len(ops)
			}
			flags := ops[1:end]
			ops = ops[end:]
			if strings.Trim(flags, "eip") != "" || flags == "" && op != '=' {
				return nil, fmt.Errorf("capabilities %q: flags %q are not some of e, i, p", text, flags)
			}
			for _, set := range []struct {
				flag string
				bits *uint64
			}{{"e", &effective}, {"p", &permitted}, {"i", &inheritable}} {
				on := strings.Contains(flags, set.flag)
				switch {
				case op == '=' && !on, op == '-' && on:
					*set.bits &^= mask
				case on:
					*set.bits |= mask
				}
			}
		}
	}
	if effective|permitted|inheritable == 0 {
		return nil, nil
	}
	// A file has one effective bit for all capabilities.
	word := uint32(vfsCapRevision2)
	if effective != 0 {
		if effective != permitted|inheritable {
			return nil, fmt.Errorf("capabilities %q: a file cannot make only some of them effective", text)
		}
		word |= 1
	}
	var out []byte
	for _, w := range []uint32{word, uint32(permitted), uint32(inheritable), uint32(permitted >> 32), uint32(inheritable >> 32)} {
		out = binary.LittleEndian.AppendUint32(out, w)
	}
	return out, nil
}

func capMask(names string) (uint64, error) {
	const all = 1<<41 - 1
	if names == "" || names == "all" {
		return all, nil
	}
	var mask uint64
	for _, name := range strings.Split(names, ",") {
		bit := -1
		for i, known := range capNames {
			if strings.EqualFold(name, "cap_"+known) {
				bit = i
			}
		}
		if bit < 0 {
			return 0, fmt.Errorf("capability %q is unknown", name)
		}
		mask |= 1 << bit
	}
	return mask, nil
}
