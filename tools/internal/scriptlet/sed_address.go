package scriptlet

// selects reports whether a command applies to the current line.
func (s *sed) selects(c *sedCommand) bool {
	if c.from == nil {
		return true
	}
	if c.to == nil {
		return s.matches(c.from)
	}
	if c.active {
		return s.inRange(c)
	}
	if c.from.zero {
		if s.number != 1 {
			return false
		}
		c.active = !s.matches(c.to)
		return true
	}
	if !s.matches(c.from) {
		return false
	}
	c.end = 0
	switch to := c.to; {
	case to.plus >= 0:
		c.end = s.number + to.plus
	case to.step > 0 && to.line == 0:
		c.end = (s.number + to.step - 1) / to.step * to.step
	case to.line > 0:
		c.end = to.line
	}
	c.active = !s.isLast() && (c.end == 0 || s.number < c.end)
	if c.to.last {
		c.active = !s.isLast()
	}
	return true
}

// inRange is a line after the first of a range.
func (s *sed) inRange(c *sedCommand) bool {
	if c.end > 0 {
		c.active = s.number < c.end
		return s.number <= c.end
	}
	if s.matches(c.to) {
		c.active = false
	}
	return true
}

func (s *sed) matches(a *sedAddress) bool {
	switch {
	case a.last:
		return s.isLast()
	case a.step > 0:
		return s.number >= a.line && (s.number-a.line)%a.step == 0
	case a.empty:
		return s.last != nil && s.last.MatchString(s.pattern)
	case a.rx != nil:
		s.last = a.rx
		s.c.m.step(1 + len(s.pattern)>>6)
		return a.rx.MatchString(s.pattern)
	}
	return s.number == a.line
}
