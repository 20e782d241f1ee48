package rpm

import "fmt"

// Tag is the number of a header value. Numbers and names are those of rpm's rpmtag.h.
type Tag uint32

// String shows the tag as errors print it.
func (t Tag) String() string { return fmt.Sprintf("tag %d", uint32(t)) }

// Region tags: the first index entry of a header names the part that digests and signatures cover.
const (
	TagHeaderImage      Tag = 61
	TagHeaderSignatures Tag = 62
	TagHeaderImmutable  Tag = 63
	TagHeaderI18NTable  Tag = 100
)

// Tags of the signature header. Those from 1000 on cover header and payload together.
const (
	SigSHA1Header    Tag = 269
	SigDSA           Tag = 267
	SigRSA           Tag = 268
	SigLongSize      Tag = 270
	SigLongArchive   Tag = 271
	SigSHA256Header  Tag = 273
	SigFileSigs      Tag = 274
	SigFileSigLength Tag = 275
	SigVerity        Tag = 276
	SigVerityAlgo    Tag = 277
	SigOpenPGP       Tag = 278
	SigSHA3Header    Tag = 279
	SigReserved      Tag = 999
	SigSize          Tag = 1000
	SigPGP           Tag = 1002
	SigMD5           Tag = 1004
	SigGPG           Tag = 1005
	SigPayloadSize   Tag = 1007
	SigReservedSpace Tag = 1008
)

// Tags of the main header.
const (
	TagName              Tag = 1000
	TagVersion           Tag = 1001
	TagRelease           Tag = 1002
	TagEpoch             Tag = 1003
	TagSummary           Tag = 1004
	TagDescription       Tag = 1005
	TagBuildTime         Tag = 1006
	TagBuildHost         Tag = 1007
	TagInstallTime       Tag = 1008
	TagSize              Tag = 1009
	TagDistribution      Tag = 1010
	TagVendor            Tag = 1011
	TagLicense           Tag = 1014
	TagPackager          Tag = 1015
	TagGroup             Tag = 1016
	TagURL               Tag = 1020
	TagOS                Tag = 1021
	TagArch              Tag = 1022
	TagPreIn             Tag = 1023
	TagPostIn            Tag = 1024
	TagPreUn             Tag = 1025
	TagPostUn            Tag = 1026
	TagOldFilenames      Tag = 1027
	TagFileSizes         Tag = 1028
	TagFileStates        Tag = 1029
	TagFileModes         Tag = 1030
	TagFileRdevs         Tag = 1033
	TagFileMTimes        Tag = 1034
	TagFileDigests       Tag = 1035
	TagFileLinkTos       Tag = 1036
	TagFileFlags         Tag = 1037
	TagFileUserName      Tag = 1039
	TagFileGroupName     Tag = 1040
	TagSourceRPM         Tag = 1044
	TagFileVerifyFlags   Tag = 1045
	TagArchiveSize       Tag = 1046
	TagProvideName       Tag = 1047
	TagRequireFlags      Tag = 1048
	TagRequireName       Tag = 1049
	TagRequireVersion    Tag = 1050
	TagConflictFlags     Tag = 1053
	TagConflictName      Tag = 1054
	TagConflictVersion   Tag = 1055
	TagRPMVersion        Tag = 1064
	TagTriggerScripts    Tag = 1065
	TagTriggerName       Tag = 1066
	TagTriggerVersion    Tag = 1067
	TagTriggerFlags      Tag = 1068
	TagTriggerIndex      Tag = 1069
	TagVerifyScript      Tag = 1079
	TagChangelogTime     Tag = 1080
	TagChangelogName     Tag = 1081
	TagChangelogText     Tag = 1082
	TagPreInProg         Tag = 1085
	TagPostInProg        Tag = 1086
	TagPreUnProg         Tag = 1087
	TagPostUnProg        Tag = 1088
	TagObsoleteName      Tag = 1090
	TagVerifyScriptProg  Tag = 1091
	TagTriggerScriptProg Tag = 1092
	TagFileDevices       Tag = 1095
	TagFileInodes        Tag = 1096
	TagFileLangs         Tag = 1097
	TagPrefixes          Tag = 1098
	TagInstPrefixes      Tag = 1099
	TagSourcePackage     Tag = 1106
	TagProvideFlags      Tag = 1112
	TagProvideVersion    Tag = 1113
	TagObsoleteFlags     Tag = 1114
	TagObsoleteVersion   Tag = 1115
	TagDirIndexes        Tag = 1116
	TagBasenames         Tag = 1117
	TagDirNames          Tag = 1118
	TagPayloadFormat     Tag = 1124
	TagPayloadCompressor Tag = 1125
	TagPayloadFlags      Tag = 1126
	TagInstallColor      Tag = 1127
	TagInstallTID        Tag = 1128
	TagPlatform          Tag = 1132
	TagFileColors        Tag = 1140
	TagFileClass         Tag = 1141
	TagClassDict         Tag = 1142
	TagFileDependsX      Tag = 1143
	TagFileDependsN      Tag = 1144
	TagDependsDict       Tag = 1145
	TagSourcePkgID       Tag = 1146
	TagPreTrans          Tag = 1151
	TagPostTrans         Tag = 1152
	TagPreTransProg      Tag = 1153
	TagPostTransProg     Tag = 1154
)

// Tags from 5000 on, added since rpm 4.6.
const (
	TagLongFileSizes     Tag = 5008
	TagLongSize          Tag = 5009
	TagFileCaps          Tag = 5010
	TagFileDigestAlgo    Tag = 5011
	TagBugURL            Tag = 5012
	TagPreInFlags        Tag = 5020
	TagPostInFlags       Tag = 5021
	TagPreUnFlags        Tag = 5022
	TagPostUnFlags       Tag = 5023
	TagPreTransFlags     Tag = 5024
	TagPostTransFlags    Tag = 5025
	TagVerifyScriptFlags Tag = 5026
	TagTriggerScriptFlag Tag = 5027
	TagOrderName         Tag = 5035
	TagOrderVersion      Tag = 5036
	TagOrderFlags        Tag = 5037
	TagRecommendName     Tag = 5046
	TagRecommendVersion  Tag = 5047
	TagRecommendFlags    Tag = 5048
	TagSuggestName       Tag = 5049
	TagSuggestVersion    Tag = 5050
	TagSuggestFlags      Tag = 5051
	TagSupplementName    Tag = 5052
	TagSupplementVersion Tag = 5053
	TagSupplementFlags   Tag = 5054
	TagEnhanceName       Tag = 5055
	TagEnhanceVersion    Tag = 5056
	TagEnhanceFlags      Tag = 5057
	TagEncoding          Tag = 5062

	TagFileTriggerScripts         Tag = 5066
	TagFileTriggerScriptProg      Tag = 5067
	TagFileTriggerScriptFlags     Tag = 5068
	TagFileTriggerName            Tag = 5069
	TagFileTriggerIndex           Tag = 5070
	TagFileTriggerVersion         Tag = 5071
	TagFileTriggerFlags           Tag = 5072
	TagTransFileTriggerScripts    Tag = 5076
	TagTransFileTriggerProg       Tag = 5077
	TagTransFileTriggerScriptFlag Tag = 5078
	TagTransFileTriggerName       Tag = 5079
	TagTransFileTriggerIndex      Tag = 5080
	TagTransFileTriggerVersion    Tag = 5081
	TagTransFileTriggerFlags      Tag = 5082
	TagFileTriggerPriorities      Tag = 5084
	TagTransFileTriggerPriorities Tag = 5085

	TagFileSignatures      Tag = 5090
	TagFileSignatureLength Tag = 5091
	TagPayloadDigest       Tag = 5092
	TagPayloadDigestAlgo   Tag = 5093
	TagModularityLabel     Tag = 5096
	TagPayloadDigestAlt    Tag = 5097
	TagPreUnTrans          Tag = 5103
	TagPostUnTrans         Tag = 5104
	TagPreUnTransProg      Tag = 5105
	TagPostUnTransProg     Tag = 5106
	TagPreUnTransFlags     Tag = 5107
	TagPostUnTransFlags    Tag = 5108
	TagSysusers            Tag = 5109
	TagPayloadSize         Tag = 5112
	TagPayloadSizeAlt      Tag = 5113
	TagRPMFormat           Tag = 5114
	TagFileMimeIndex       Tag = 5115
	TagMimeDict            Tag = 5116
	TagPackageDigests      Tag = 5118
	TagPackageDigestAlgos  Tag = 5119
	TagPayloadSHA512       Tag = 5121
	TagPayloadSHA512Alt    Tag = 5122
	TagPayloadSHA3         Tag = 5123
	TagPayloadSHA3Alt      Tag = 5124
)
