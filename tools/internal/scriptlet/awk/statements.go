package awk

func (in *interp) block(b block) control {
	for _, s := range b {
		if c := in.stmt(s); c != goOn {
			return c
		}
	}
	return goOn
}

func (in *interp) stmt(s stmt) control {
	in.h.Step(1)
	switch s := s.(type) {
	case *exprStmt:
		in.eval(s.e)
	case *printing:
		in.printStmt(s)
	case *blockStmt:
		return in.block(s.body)
	case *ifStmt:
		if in.eval(s.cond).bool() {
			return in.block(s.yes)
		}
		return in.block(s.no)
	case *whileStmt:
		return in.while(s)
	case *forStmt:
		return in.forLoop(s)
	case *forIn:
		return in.forIn(s)
	case *deleteStmt:
		a := in.array(s.array)
		if s.subs == nil {
			a.clear()
		} else {
			a.delete(in.subscript(s.subs))
		}
	case *jump:
		return in.jump(s)
	default:
		panic(runtimeError("statement %T", s))
	}
	return goOn
}

func (in *interp) jump(s *jump) control {
	switch s.kind {
	case "break":
		return breaking
	case "continue":
		return continuing
	case "next", "nextfile":
		if in.main == nil {
			panic(runtimeError("%s outside of a rule", s.kind))
		}
		if s.kind == "next" {
			return nextRecord
		}
		return nextFile
	case "exit":
		if s.e != nil {
			in.exit = int(int64(in.eval(s.e).number())) & 0xff
		}
		return exiting
	}
	in.ret = value{}
	if s.e != nil {
		in.ret = in.eval(s.e)
	}
	return returning
}

// loop tells what a loop does after its body: stop, and with what.
func loop(c control) (stop bool, out control) {
	switch c {
	case goOn, continuing:
		return false, goOn
	case breaking:
		return true, goOn
	}
	return true, c
}

func (in *interp) while(s *whileStmt) control {
	for first := s.first; first || in.eval(s.cond).bool(); first = false {
		in.h.Step(1)
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
	}
	return goOn
}

func (in *interp) forLoop(s *forStmt) control {
	if s.init != nil {
		in.stmt(s.init)
	}
	for s.cond == nil || in.eval(s.cond).bool() {
		in.h.Step(1)
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
		if s.post != nil {
			in.stmt(s.post)
		}
	}
	return goOn
}

// forIn visits elements in the order in which they were made, so that every run does the same.
func (in *interp) forIn(s *forIn) control {
	a := in.array(s.array)
	keys := a.order()
	in.h.Step(1 + len(keys))
	for _, k := range keys {
		if a.at[k] == nil {
			continue
		}
		in.store(s.name, field(k))
		if stop, c := loop(in.block(s.body)); stop {
			return c
		}
	}
	return goOn
}
