package scriptlet

import (
	"math"
	"strings"

	lua "github.com/yuin/gopher-lua"
	"github.com/yuin/gopher-lua/ast"
)

// concatName is the function that concatenations become. No script can name it.
const concatName = "(concat)"

// boundStmts replaces the operator ".." everywhere: a string that doubles sixty times must meet a bound.
func boundStmts(list []ast.Stmt) {
	for _, s := range list {
		switch s := s.(type) {
		case *ast.AssignStmt:
			boundExprs(s.Lhs)
			boundExprs(s.Rhs)
		case *ast.LocalAssignStmt:
			boundExprs(s.Exprs)
		case *ast.FuncCallStmt:
			s.Expr = bound(s.Expr)
		case *ast.DoBlockStmt:
			boundStmts(s.Stmts)
		case *ast.WhileStmt:
			s.Condition = bound(s.Condition)
			boundStmts(s.Stmts)
		case *ast.RepeatStmt:
			s.Condition = bound(s.Condition)
			boundStmts(s.Stmts)
		case *ast.IfStmt:
			s.Condition = bound(s.Condition)
			boundStmts(s.Then)
			boundStmts(s.Else)
		case *ast.NumberForStmt:
			s.Init, s.Limit, s.Step = bound(s.Init), bound(s.Limit), bound(s.Step)
			boundStmts(s.Stmts)
		case *ast.GenericForStmt:
			boundExprs(s.Exprs)
			boundStmts(s.Stmts)
		case *ast.FuncDefStmt:
			boundStmts(s.Func.Stmts)
		case *ast.ReturnStmt:
			boundExprs(s.Exprs)
		}
	}
}

func boundExprs(list []ast.Expr) {
	for i := range list {
		list[i] = bound(list[i])
	}
}

func bound(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.StringConcatOpExpr:
		// Operands of a..b..c are flattened, so that a long chain is one call.
		args := []ast.Expr{bound(e.Lhs)}
		rhs := e.Rhs
		for {
			next, ok := rhs.(*ast.StringConcatOpExpr)
			if !ok {
				break
			}
			args, rhs = append(args, bound(next.Lhs)), next.Rhs
		}
		args = append(args, bound(rhs))
		const most = 100 // registers of a call
		for len(args) > most {
			tail := concatCall(e, args[len(args)-most:])
			args = append(args[:len(args)-most:len(args)-most], tail)
		}
		return concatCall(e, args)
	case *ast.AttrGetExpr:
		e.Object, e.Key = bound(e.Object), bound(e.Key)
	case *ast.TableExpr:
		for _, f := range e.Fields {
			if f.Key != nil {
				f.Key = bound(f.Key)
			}
			f.Value = bound(f.Value)
		}
	case *ast.FuncCallExpr:
		if e.Func != nil {
			e.Func = bound(e.Func)
		}
		if e.Receiver != nil {
			e.Receiver = bound(e.Receiver)
		}
		boundExprs(e.Args)
	case *ast.LogicalOpExpr:
		e.Lhs, e.Rhs = bound(e.Lhs), bound(e.Rhs)
	case *ast.RelationalOpExpr:
		e.Lhs, e.Rhs = bound(e.Lhs), bound(e.Rhs)
	case *ast.ArithmeticOpExpr:
		e.Lhs, e.Rhs = bound(e.Lhs), bound(e.Rhs)
	case *ast.UnaryMinusOpExpr:
		e.Expr = bound(e.Expr)
	case *ast.UnaryNotOpExpr:
		e.Expr = bound(e.Expr)
	case *ast.UnaryLenOpExpr:
		e.Expr = bound(e.Expr)
	case *ast.FunctionExpr:
		boundStmts(e.Stmts)
	}
	return e
}

func concatCall(at ast.Expr, args []ast.Expr) ast.Expr {
	f := &ast.IdentExpr{Value: concatName}
	call := &ast.FuncCallExpr{Func: f, Args: args, AdjustRet: true}
	for _, x := range []ast.Expr{f, call} {
		x.SetLine(at.Line())
		x.SetLastLine(at.LastLine())
	}
	return call
}

// maxString bounds the strings of Lua scripts.
const maxString = 4 << 20

// sized refuses strings that are too long.
func (r *luaRun) sized(n int) {
	r.m.step(1 + n>>10)
	if n > maxString {
		r.m.stop("a string of more than %d bytes", maxString)
	}
}

func (r *luaRun) concat(L *lua.LState) int {
	var out strings.Builder
	for i := 1; i <= L.GetTop(); i++ {
		v := L.Get(i)
		if v.Type() != lua.LTString && v.Type() != lua.LTNumber {
			L.RaiseError("attempt to concatenate a %s value", v.Type())
		}
		out.WriteString(v.String())
		r.sized(out.Len())
	}
	L.Push(lua.LString(out.String()))
	return 1
}

// boundStrings wraps the functions of the string library whose work or result can be much larger than their operands.
func (r *luaRun) boundStrings() {
	lib, ok := r.L.GetGlobal("string").(*lua.LTable)
	if !ok {
		return
	}
	wrap := func(name string, check func(L *lua.LState)) {
		f, ok := lib.RawGetString(name).(*lua.LFunction)
		if !ok {
			return
		}
		inner := f.GFunction
		lib.RawSetString(name, r.guard(func(L *lua.LState) int {
			check(L)
			return inner(L)
		}))
	}
	wrap("rep", func(L *lua.LState) {
		n := L.CheckInt(2)
		if n > 0 && len(L.CheckString(1)) > 0 {
			r.sized(int(math.Min(float64(n)*float64(len(L.CheckString(1))), maxString+1)))
		}
	})
	wrap("format", func(L *lua.LState) {
		n := 0
		for i := 1; i <= L.GetTop(); i++ {
			n += len(L.Get(i).String()) + 500
		}
		r.sized(n)
	})
	for _, name := range []string{"find", "match", "gmatch", "gsub"} {
		wrap(name, func(L *lua.LState) {
			subject, pattern := L.CheckString(1), L.CheckString(2)
			r.backtracking(subject, pattern)
			if name == "gsub" && L.Get(3).Type() == lua.LTString {
				r.sized(int(math.Min(float64(len(subject)+1)*float64(len(L.CheckString(3))+1), maxString+1)))
			}
		})
	}
}

// backtracking estimates what a pattern can cost: each repetition tries every length.
func (r *luaRun) backtracking(subject, pattern string) {
	repeats := 0
	for i := 1; i < len(pattern); i++ {
		if strings.IndexByte("*+-?", pattern[i]) >= 0 && pattern[i-1] != '%' {
			repeats++
		}
	}
	const cost = 1e9
	if math.Pow(float64(len(subject)), float64(repeats)) > cost {
		r.m.stop("a pattern with %d repetitions on %d bytes", repeats, len(subject))
	}
	r.m.step(1 + len(subject)>>6)
}
