package distro

import (
	"fmt"
	"strings"

	"github.com/rules-slimrpm/rules_slimrpm/tools/internal/lockfile"
)

// Where the distributions keep their package database.
var (
	sqliteVar  = lockfile.RPMDB{Backend: "sqlite", Path: "/var/lib/rpm"}
	sqliteUsr  = lockfile.RPMDB{Backend: "sqlite", Path: "/usr/lib/sysimage/rpm"}
	ndbUsr     = lockfile.RPMDB{Backend: "ndb", Path: "/usr/lib/sysimage/rpm"}
	berkeleyDB = lockfile.RPMDB{Backend: "bdb", Path: "/var/lib/rpm"}
)

// Keys of third_party/keys.
var (
	keyAL2023      = key("amazon-linux-2023", "B21C50FA44A99720EAA72F7FE951904AD832C631")
	keyAL2         = key("amazon-linux-2", "99E617FE5DB527C0D8BD5F8E11CF1F95C87F5B1A")
	keyCentOS      = key("centos-stream", "99DB70FAE1D7CE227FB6488205B555B38483C65D")
	keyRedHat      = key("redhat-release", "567E347AD0044ADE55BA8A5F199E2F91FD431D51", "7E4624258C406535D56D6F135054E4A45A6340B3")
	keySUSE2022    = key("opensuse-2022", "AD485664E901B867051AB15F35A2F86E29B700A4")
	keySLE15       = key("suse-sle-15", "FEAB502539D846DB2C0961CA70AF9E8139DB7C82")
	keySLE         = key("opensuse-leap-sle", "7F009157B127B994D5CFBE76F74F09BC3FA1D6CE")
	keyBackports   = key("opensuse-backports-2023", "F044C2C507A1262B538AAADD8A49EB0325DB7AE0")
	keyBackports16 = key("opensuse-backports-16", "BF3F9A67D3A2FF98A73F5E07488C583D287A0027")

	keysFedora = map[string]Key{
		"43": key("fedora-43-primary", "C6E7F081CF80E13146676E88829B606631645531"),
		"44": key("fedora-44-primary", "36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6"),
		"45": key("fedora-45-primary", "4F50A6114CD5C6976A7F1179655A4B02F577861E"),
	}
	keysRocky = map[string]Key{
		"8":  key("rocky-8", "7051C470A929F454CEBE37B715AF5DAC6D745A60"),
		"9":  key("rocky-9", "21CB256AE16FC54C6E652949702D426D350D275D"),
		"10": key("rocky-10", "FC226859C0860BF0DDB95B085B106C736FEDFC85"),
	}
	keysAlma = map[string]Key{
		"8":  key("almalinux-8", "5E9B8F5617B5066CE92057C3488FCF7C3ABB34F8", "BC5EDDCADF502C077F1582882AE81E8ACED7258B"),
		"9":  key("almalinux-9", "BF18AC2876178908D6E71267D36CB86CB86B3716"),
		"10": key("almalinux-10", "EE6DB7B98F5BF5EDD9DA0DE5DEE5C11CC2A1E572"),
	}
)

func key(name string, fingerprints ...string) Key {
	return Key{"RPM-GPG-KEY-" + name, fingerprints}
}

// Examples for install: small images with certificates, time zones and a C library.
var (
	exampleAmazon = []string{"ca-certificates", "filesystem", "glibc", "openssl-libs", "setup", "system-release", "tzdata"}
	exampleFedora = []string{"ca-certificates", "fedora-release-container", "filesystem", "glibc-minimal-langpack", "openssl-libs", "setup", "tzdata"}
	exampleSUSE   = []string{"ca-certificates-mozilla", "filesystem", "glibc", "libopenssl3", "openSUSE-release", "timezone"}
)

func exampleEL(release string) []string {
	return []string{"ca-certificates", "filesystem", "glibc-minimal-langpack", "openssl-libs", release, "setup", "tzdata"}
}

// rpmdbEL is the package database of a major version of Enterprise Linux.
func rpmdbEL(version string) lockfile.RPMDB {
	switch version {
	case "8":
		return berkeleyDB
	case "9":
		return sqliteVar
	}
	return sqliteUsr
}

var catalogue = []Distribution{
	{Name: "al2023", Title: "Amazon Linux 2023", Versions: []Version{{
		Name: "latest", AnyBelow: "2023.", RPMDB: sqliteVar, Install: exampleAmazon,
		Comment: []string{
			"The repositories of Amazon Linux 2023 are versioned. With releasever: latest, each update takes the newest state, and the lock names",
			"it for good; with a version, such as 2023.12.20260817, nothing is ever outdated until the line is changed.",
		},
		Repositories: []Repository{{ID: "amazonlinux", MirrorList: "https://cdn.amazonlinux.com/al2023/core/mirrors/$releasever/$basearch/mirror.list", Keys: []Key{keyAL2023}}},
	}}},
	{Name: "al2", Title: "Amazon Linux 2", Versions: []Version{{
		Name: "2", RPMDB: berkeleyDB, Install: exampleAmazon,
		Repositories: []Repository{{ID: "amzn2-core", MirrorList: "https://cdn.amazonlinux.com/$releasever/core/latest/$basearch/mirror.list", Keys: []Key{keyAL2}}},
	}}},
	{Name: "fedora", Title: "Fedora Linux", Versions: []Version{fedora("44"), fedora("45"), fedora("43")}},
	{Name: "centos-stream", Title: "CentOS Stream", Versions: []Version{centosStream("10"), centosStream("9")}},
	{Name: "rocky", Title: "Rocky Linux", Versions: []Version{rocky("10"), rocky("9"), rocky("8")}},
	{Name: "alma", Title: "AlmaLinux OS", Versions: []Version{alma("10"), alma("9"), alma("8")}},
	{Name: "ubi", Title: "Red Hat Universal Base Image", Versions: []Version{ubi("10"), ubi("9"), ubi("8")}},
	{Name: "opensuse-leap", Title: "openSUSE Leap", Versions: []Version{leap16(), leap15()}},
	{Name: "opensuse-tumbleweed", Title: "openSUSE Tumbleweed", Versions: []Version{tumbleweed()}},
}

const keepsNewest = "The repositories keep the newest versions only: `rpmfetch` mirrors what a lock names, so that it can be built for good."

func fedora(version string) Version {
	keys := []Key{keysFedora[version]}
	return Version{Name: version, RPMDB: sqliteUsr, Install: exampleFedora, Comment: []string{keepsNewest}, Repositories: []Repository{
		{ID: "fedora", MetaLink: "https://mirrors.fedoraproject.org/metalink?repo=fedora-$releasever&arch=$basearch", Keys: keys},
		{ID: "updates", MetaLink: "https://mirrors.fedoraproject.org/metalink?repo=updates-released-f$releasever&arch=$basearch", Keys: keys},
	}}
}

func centosStream(version string) Version {
	v := Version{Name: version, RPMDB: rpmdbEL(version), Install: exampleEL("centos-stream-release"), Comment: []string{keepsNewest}}
	for _, name := range []string{"baseos", "appstream", "crb"} {
		v.Repositories = append(v.Repositories, Repository{
			ID: name, MetaLink: "https://mirrors.centos.org/metalink?repo=centos-" + name + "-$releasever-stream&arch=$basearch&protocol=https,http",
			Keys: []Key{keyCentOS},
		})
	}
	return v
}

func rocky(version string) Version {
	v := Version{Name: version, AnyBelow: version + ".", RPMDB: rpmdbEL(version), Install: exampleEL("rocky-release")}
	for _, name := range []string{"BaseOS", "AppStream"} {
		v.Repositories = append(v.Repositories, Repository{
			ID: strings.ToLower(name), MirrorList: "https://mirrors.rockylinux.org/mirrorlist?arch=$basearch&repo=" + name + "-$releasever", Keys: []Key{keysRocky[version]},
		})
	}
	return v
}

func alma(version string) Version {
	v := Version{Name: version, AnyBelow: version + ".", RPMDB: rpmdbEL(version), Install: exampleEL("almalinux-release")}
	for _, name := range []string{"baseos", "appstream"} {
		v.Repositories = append(v.Repositories, Repository{
			ID: name, MirrorList: "https://mirrors.almalinux.org/mirrorlist/$releasever/" + name, Keys: []Key{keysAlma[version]},
		})
	}
	return v
}

func ubi(version string) Version {
	v := Version{Name: version, RPMDB: rpmdbEL(version), Install: exampleEL("redhat-release")}
	for _, name := range []string{"baseos", "appstream"} {
		v.Repositories = append(v.Repositories, Repository{
			ID: fmt.Sprintf("ubi-%s-%s", version, name), BaseURL: "https://cdn-ubi.redhat.com/content/public/ubi/dist/ubi$releasever/$releasever/$basearch/" + name + "/os",
			Keys: []Key{keyRedHat},
		})
	}
	return v
}

func leap16() Version {
	return Version{Name: "16.0", AnyBelow: "16.", RPMDB: ndbUsr, Install: exampleSUSE, Repositories: []Repository{
		{ID: "oss", BaseURL: "https://download.opensuse.org/distribution/leap/$releasever/repo/oss/$basearch",
			Keys: []Key{keySUSE2022, keySLE, keyBackports16}, RepoGPGCheck: true},
	}}
}

func leap15() Version {
	keys := []Key{keySUSE2022, keySLE15, keySLE, keyBackports}
	v := Version{Name: "15.6", RPMDB: ndbUsr, Install: exampleSUSE, Repositories: []Repository{
		{ID: "oss", BaseURL: "https://download.opensuse.org/distribution/leap/$releasever/repo/oss", Keys: keys, RepoGPGCheck: true},
	}}
	for _, name := range []string{"oss", "sle", "backports"} {
		v.Repositories = append(v.Repositories, Repository{
			ID: "update-" + name, BaseURL: "https://download.opensuse.org/update/leap/$releasever/" + name, Keys: keys, RepoGPGCheck: true,
		})
	}
	return v
}

func tumbleweed() Version {
	keys := []Key{keySUSE2022}
	return Version{Name: "tumbleweed", RPMDB: ndbUsr, Install: exampleSUSE, Comment: []string{keepsNewest}, Repositories: []Repository{
		{ID: "oss", BaseURL: "https://download.opensuse.org/tumbleweed/repo/oss", Only: []string{"x86_64"}, Keys: keys, RepoGPGCheck: true},
		{ID: "oss-ports", BaseURL: "https://download.opensuse.org/ports/$basearch/tumbleweed/repo/oss", Only: []string{"aarch64"}, Keys: keys, RepoGPGCheck: true},
	}}
}
