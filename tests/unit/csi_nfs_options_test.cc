// What a volume of csi-driver-nfs says of its server.

#include <map>
#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "volumes/access_rules.h"
#include "volumes/nfs_options.h"

namespace claimfs::volumes {
namespace {

const AccessModes kMany = {AccessMode::ReadWriteMany};

Volume csi_volume(std::map<std::string, std::string> attributes) {
  Volume volume;
  volume.source =
      CsiSource{.driver = "nfs.csi.k8s.io", .volume_handle = "h", .attributes = attributes};
  return volume;
}

// The refusal; empty when it is none.
std::string refusal_of(const Volume& volume) {
  const auto options = nfs_options(volume, kMany, {});
  return options ? "" : options.error();
}

TEST_CASE("volumes of csi-driver-nfs", "[nfs-options]") {
  using Attributes = std::map<std::string, std::string>;
  const struct {
    Attributes attributes;
    const char* path;
  } rows[] = {
      {{{"server", "s"}, {"share", "/e"}}, "/e"},
      {{{"Server", "s"}, {"SHARE", "/e/"}}, "/e/"},
      {{{"server", "s"}, {"share", "/e/"}, {"subDir", "a/b"}}, "/e/a/b"},
      {{{"server", "s"}, {"share", "/"}, {"subdir", "/a/"}}, "/a"},
      {{{"server", "s"}, {"share", "/e"}, {"subdir", ""}}, "/e"},
      {{{"server", "s"},
        {"share", "/e"},
        {"subdir", "${pvc.metadata.namespace}-${pvc.metadata.name}/${pv.metadata.name}"},
        {"csi.storage.k8s.io/pvc/name", "claim"},
        {"csi.storage.k8s.io/pvc/namespace", "shop"},
        {"csi.storage.k8s.io/pv/name", "pv1"}},
       "/e/shop-claim/pv1"},
      // What the driver does not know, or has done when it made the directory.
      {{{"server", "s"},
        {"share", "/e"},
        {"mountPermissions", "0770"},
        {"storage.kubernetes.io/csiProvisionerIdentity", "1-nfs.csi.k8s.io"}},
       "/e"},
  };
  for (const auto& row : rows) {
    const Volume volume = csi_volume(row.attributes);
    INFO(row.path << refusal_of(volume));
    CHECK(is_nfs(volume));
    const auto options = nfs_options(volume, kMany, {});
    REQUIRE(options);
    CHECK(options->server == "s");
    CHECK(options->path == row.path);
  }
  const std::string refused = "rpc error: code = InvalidArgument desc = ";
  CHECK(refusal_of(csi_volume({{"share", "/e"}})) == refused + "server is a required parameter");
  CHECK(refusal_of(csi_volume({{"server", "s"}})) == refused + "share is a required parameter");
  CHECK(refusal_of(csi_volume({{"server", "s"}, {"share", "/e"}, {"subdir", "../f"}}))
            .starts_with(refused + "subdir \"../f\": "));
  CHECK(refusal_of(csi_volume({{"server", "s"}, {"share", "e"}})) ==
        "path \"e\" is not an absolute path");

  Volume foreign = csi_volume({{"server", "s"}, {"share", "/e"}});
  std::get<CsiSource>(foreign.source).driver = "smb.csi.k8s.io";
  CHECK_FALSE(is_nfs(foreign));

  Volume volume =
      csi_volume({{"server", "s"}, {"share", "/e"}, {"mountOptions", "soft,nconnect=2"}});
  volume.mount_options = {"hard", "nconnect=8", "rw"};
  CHECK(nfs_options(volume, kMany, {})->hard == false);
  CHECK(nfs_options(volume, kMany, {})->connections == 2);
  CHECK_FALSE(nfs_options(volume, kMany, {})->read_only);
  std::get<CsiSource>(volume.source).read_only = true;
  CHECK(nfs_options(volume, kMany, {})->read_only);
}

}  // namespace
}  // namespace claimfs::volumes
