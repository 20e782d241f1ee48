package scriptlet

import "mvdan.cc/sh/v3/syntax"

func (s *shell) ifClause(c *syntax.IfClause) {
	for ; c != nil; c = c.Else {
		if len(c.Cond) == 0 { // else
			s.stmts(c.Then)
			return
		}
		ok := s.cond(c.Cond)
		if s.ctl != goOn {
			return
		}
		if ok {
			s.status = 0
			s.stmts(c.Then)
			return
		}
	}
	s.status = 0
}

// loop runs body while next says so.
func (s *shell) loop(next func() bool, body []*syntax.Stmt, after func()) {
	s.loops++
	defer func() { s.loops-- }()
	status := 0
	for {
		s.m.step(1)
		ok := next()
		if s.ctl == goOn && !ok {
			break
		}
		if s.ctl == goOn {
			s.stmts(body)
			status = s.status
		}
		if s.ctl == breaking || s.ctl == continuing {
			if s.levels--; s.levels > 0 {
				return
			}
			stop := s.ctl == breaking
			s.ctl = goOn
			if stop {
				break
			}
		}
		if s.ctl != goOn {
			return
		}
		if after != nil {
			after()
		}
	}
	s.status = status
}

func (s *shell) forClause(c *syntax.ForClause) {
	if c.Select {
		s.m.stop("select asks a person")
	}
	switch l := c.Loop.(type) {
	case *syntax.WordIter:
		items := s.params
		if l.InPos.IsValid() {
			items = s.fields(l.Items)
		}
		i := 0
		s.loop(func() bool {
			if i >= len(items) {
				return false
			}
			s.set(l.Name.Value, items[i])
			i++
			return true
		}, c.Do, nil)
	case *syntax.CStyleLoop:
		if l.Init != nil {
			s.arithm(l.Init)
		}
		after := func() {
			if l.Post != nil {
				s.arithm(l.Post)
			}
		}
		s.loop(func() bool { return l.Cond == nil || s.arithm(l.Cond) != 0 }, c.Do, after)
	}
}

func (s *shell) caseClause(c *syntax.CaseClause) {
	word := s.literal(c.Word)
	s.status = 0
	through := false
	for _, item := range c.Items {
		match := through
		for _, p := range item.Patterns {
			match = match || s.match(s.pattern(p), word)
		}
		if !match {
			continue
		}
		s.stmts(item.Stmts)
		if s.ctl != goOn || item.Op == syntax.Break {
			return
		}
		through = item.Op == syntax.Fallthrough
	}
}
