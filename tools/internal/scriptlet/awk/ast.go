package awk

// Program is a parsed program.
type Program struct {
	begin, end []block
	rules      []*rule
	functions  map[string]*function
}

type block []stmt

// rule is a pattern with its action; of a range, active says that it has begun.
type rule struct {
	pattern []expr // none, one, or both ends of a range
	action  block
	print   bool // no action: print the record
}

type function struct {
	name   string
	params []string
	body   block
}

// Expressions.
type (
	expr   interface{}
	numLit struct{ n float64 }
	strLit struct{ s string }
	// regexLit alone is a match of the record.
	regexLit struct{ rx *regex }
	varRef   struct {
		name  string
		local int // place among the parameters; -1: global
	}
	indexRef struct {
		array *varRef
		subs  []expr
	}
	fieldRef struct{ index expr }
	group    struct{ e expr }
	assign   struct {
		op       string // "=", or the operator of "+=" and its like
		to, from expr
	}
	ternary struct{ cond, yes, no expr }
	binary  struct {
		op          string // "" joins text
		left, right expr
	}
	unary struct {
		op string
		e  expr
	}
	step struct {
		to     expr
		by     float64
		before bool
	}
	member struct {
		subs  []expr
		array *varRef
	}
	call struct {
		name string
		args []expr
	}
	builtinCall struct {
		name string
		args []expr
	}
	getline struct {
		kind string // "" the input, "<" a file, "|" a command
		from expr
		to   expr // nil: the record
	}
)

// Statements.
type (
	stmt     interface{}
	exprStmt struct{ e expr }
	printing struct {
		format bool
		args   []expr
		redir  string // "", ">", ">>", "|"
		to     expr
	}
	ifStmt struct {
		cond    expr
		yes, no block
	}
	whileStmt struct {
		cond  expr
		body  block
		first bool // do ... while
	}
	forStmt struct {
		init, post stmt
		cond       expr
		body       block
	}
	forIn struct {
		name  expr
		array *varRef
		body  block
	}
	deleteStmt struct {
		array *varRef
		subs  []expr // none: all
	}
	jump struct {
		kind string // break, continue, next, nextfile, exit, return
		e    expr
	}
	blockStmt struct{ body block }
)
