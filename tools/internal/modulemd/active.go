package modulemd

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/evr"
)

// Active is what module streams make of the packages of repositories, as dnf does it: packages of streams that are not active
// are out, and those of active streams put out plain packages that have, or provide, one of their names.
type Active struct {
	// Streams are the active ones, as name:stream:version:context:architecture, sorted.
	Streams []string
	active  map[string]bool   // artifacts of active streams
	known   map[string]string // all artifacts -> module:stream
	names   map[string]string // names of packages of active streams -> module:stream
}

// UnknownError is a module, or a stream of a module, that no repository has.
type UnknownError struct {
	Module, Stream string
	Known          []string // modules, or when Stream is set streams of the module, sorted
}

func (e *UnknownError) Error() string {
	if e.Stream == "" {
		return fmt.Sprintf("no repository has a module %q", e.Module)
	}
	return fmt.Sprintf("module %q has no stream %q", e.Module, e.Stream)
}

// platform is the module that stands for the distribution itself; repositories are made for one.
const platform = "platform"

// maxSteps bounds the search for streams that fit together.
const maxSteps = 100_000

// Activate chooses the active streams for an architecture: those that are wanted (module to stream; an empty stream keeps a
// module off), those they require, and default streams as far as their requirements can be met. An error says which wanted
// stream is unknown or what keeps it from being active.
func Activate(indexes []*Index, arch string, wanted map[string]string) (*Active, error) {
	s := newChooser(indexes, arch, wanted)
	var errs []error
	for _, module := range slices.Sorted(maps.Keys(wanted)) {
		if err := s.unknown(module, wanted[module]); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for _, module := range slices.Sorted(maps.Keys(wanted)) {
		if wanted[module] == "" {
			continue
		}
		if err := s.choose(Requirement{Module: module}, nil); err != nil {
			return nil, fmt.Errorf("enabling module %s:%s: %w", module, wanted[module], err)
		}
	}
	for _, module := range slices.Sorted(maps.Keys(s.defaults)) {
		if stream := s.defaults[module].Stream; stream != "" {
			s.choose(Requirement{module, []string{stream}}, nil) // a default stream that does not fit is not active
		}
	}
	return s.active(indexes), nil
}

// chooser looks for streams that fit together.
type chooser struct {
	wanted   map[string]string
	builds   map[string]map[string][]*Stream // module, stream; newest version first
	defaults map[string]Defaults
	chosen   map[string]*Stream
	steps    int
}

func newChooser(indexes []*Index, arch string, wanted map[string]string) *chooser {
	s := &chooser{wanted: wanted, builds: map[string]map[string][]*Stream{}, defaults: map[string]Defaults{}, chosen: map[string]*Stream{}}
	for _, x := range indexes {
		for i := range x.Streams {
			b := &x.Streams[i]
			if b.Arch != arch && b.Arch != "" && b.Arch != "noarch" {
				continue
			}
			if s.builds[b.Module] == nil {
				s.builds[b.Module] = map[string][]*Stream{}
			}
			s.builds[b.Module][b.Stream] = append(s.builds[b.Module][b.Stream], b)
		}
		for _, d := range x.Defaults {
			if old, ok := s.defaults[d.Module]; !ok || d.Modified > old.Modified {
				s.defaults[d.Module] = d
			}
		}
	}
	for _, streams := range s.builds {
		for _, builds := range streams {
			slices.SortStableFunc(builds, func(a, b *Stream) int {
				return cmp.Or(cmp.Compare(b.Version, a.Version), cmp.Compare(a.Context, b.Context))
			})
		}
	}
	return s
}

func (s *chooser) unknown(module, stream string) error {
	streams := s.builds[module]
	if streams == nil {
		return &UnknownError{Module: module, Known: slices.Sorted(maps.Keys(s.builds))}
	}
	if stream != "" && streams[stream] == nil {
		return &UnknownError{Module: module, Stream: stream, Known: slices.Sorted(maps.Keys(streams))}
	}
	return nil
}

// choose makes a stream active that meets a requirement, with all that it requires. When it cannot, nothing has changed.
func (s *chooser) choose(r Requirement, by []string) error {
	if s.steps++; s.steps > maxSteps {
		return fmt.Errorf("gave up after %d steps", maxSteps)
	}
	if r.Module == platform {
		return nil
	}
	if have := s.chosen[r.Module]; have != nil {
		if r.Accepts(have.Stream) {
			return nil
		}
		return fmt.Errorf("%s requires %s, but %s:%s is active", strings.Join(by, " -> "), r.text(), have.Module, have.Stream)
	}
	before := maps.Clone(s.chosen)
	var first error
	for _, stream := range s.candidates(r) {
		for _, build := range s.builds[r.Module][stream] {
			s.chosen[r.Module] = build
			err := s.meet(build, append(slices.Clip(by), r.Module+":"+stream))
			if err == nil {
				return nil
			}
			if first == nil {
				first = err
			}
			s.chosen = maps.Clone(before)
		}
	}
	if first != nil {
		return first
	}
	if stream, is := s.wanted[r.Module]; is && stream == "" {
		return fmt.Errorf("%s requires %s, which is disabled", strings.Join(by, " -> "), r.text())
	} else if is {
		return fmt.Errorf("%s requires %s, but %s:%s is enabled", strings.Join(by, " -> "), r.text(), r.Module, stream)
	}
	return fmt.Errorf("%s requires %s, which no repository has", strings.Join(by, " -> "), r.text())
}

// candidates are the streams that would do, in the order to try: the wanted one only, or the default, then the newest.
func (s *chooser) candidates(r Requirement) []string {
	var out []string
	for stream := range s.builds[r.Module] {
		if want, is := s.wanted[r.Module]; r.Accepts(stream) && (!is || want == stream) {
			out = append(out, stream)
		}
	}
	preferred := s.defaults[r.Module].Stream
	slices.SortFunc(out, func(a, b string) int {
		if a == preferred || b == preferred {
			return cmp.Compare(map[bool]int{true: 0, false: 1}[a == preferred], map[bool]int{true: 0, false: 1}[b == preferred])
		}
		return cmp.Or(evr.Vercmp(b, a), strings.Compare(a, b))
	})
	return out
}

// meet chooses what one of the alternatives of a build requires.
func (s *chooser) meet(build *Stream, by []string) error {
	if len(build.Dependencies) == 0 {
		return nil
	}
	before := maps.Clone(s.chosen)
	var first error
	for _, alternative := range build.Dependencies {
		var err error
		for _, r := range alternative.Requires {
			if err = s.choose(r, by); err != nil {
				break
			}
		}
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
		s.chosen = maps.Clone(before)
	}
	return first
}

func (r *Requirement) text() string {
	if len(r.Streams) == 0 {
		return "module " + r.Module
	}
	return fmt.Sprintf("module %s:%s", r.Module, strings.Join(r.Streams, " or "))
}

// active collects the packages. All versions of the context that was chosen are active.
func (s *chooser) active(indexes []*Index) *Active {
	a := &Active{active: map[string]bool{}, known: map[string]string{}, names: map[string]string{}}
	back := map[string]bool{}
	for _, x := range indexes {
		for i := range x.Streams {
			b := &x.Streams[i]
			label := b.Module + ":" + b.Stream
			chosen := s.chosen[b.Module]
			active := chosen != nil && chosen.Stream == b.Stream && chosen.Context == b.Context && chosen.Arch == b.Arch
			if active {
				a.Streams = append(a.Streams, b.NSVCA())
			}
			for _, nevra := range b.Artifacts {
				if old := a.known[nevra]; old == "" || label < old {
					a.known[nevra] = label
				}
				if !active {
					continue
				}
				a.active[nevra] = true
				if !strings.HasSuffix(nevra, ".src") && !strings.HasSuffix(nevra, ".nosrc") {
					a.names[nameOf(nevra)] = label
				}
			}
			if active {
				for _, name := range b.Demodularized {
					back[name] = true
				}
			}
		}
	}
	for name := range back {
		delete(a.names, name)
	}
	slices.Sort(a.Streams)
	a.Streams = slices.Compact(a.Streams)
	return a
}

// nameOf is the name of an artifact, whose form Parse has checked.
func nameOf(nevra string) string {
	name := nevra[:strings.LastIndexByte(nevra, '-')]
	return name[:strings.LastIndexByte(name, '-')]
}

// Hides says why a package is out, or nothing when it is not. nevra has an epoch, 0 too: name-0:version-release.arch. provides
// calls its argument with the names that the package provides.
func (a *Active) Hides(name, nevra string, provides func(visit func(name string))) string {
	if a.active[nevra] {
		return ""
	}
	if stream := a.known[nevra]; stream != "" {
		return fmt.Sprintf("it belongs to module %s, which is not active", stream)
	}
	if stream := a.names[name]; stream != "" {
		return fmt.Sprintf("the active module %s has packages of this name", stream)
	}
	reason := ""
	provides(func(capability string) {
		if stream := a.names[capability]; stream != "" && reason == "" {
			reason = fmt.Sprintf("it provides %s, of which the active module %s has packages", capability, stream)
		}
	})
	return reason
}
