// Which released volumes are deleted, and which are not. KUBERNETES.md 3.2, 7.3.

#include "tests/unit/released_volume.h"

namespace claimfs::volumes::testing {

TEST_CASE("Delete: who deletes, and who says no", "[reclaim]") {
  struct Row {
    const char* name;
    Json source;
    Json changes;
    std::string end;
  };
  const std::string none = kNoDeleter + "no deletable volume plugin matched";
  const std::string no_source =
      "Failed VolumeFailedDelete: failed to create deleter for volume \"pv\": "
      "spec.PersistentVolume.Spec.HostPath is nil";
  const Json migrated = {
      {"metadata", {{"annotations", {{"pv.kubernetes.io/migrated-to", "x.io"}}}}}};
  const Row rows[] = {
      {"hostPath", host("/tmp/x"), nullptr, "delete /tmp/x"},
      {"NFS", kNfs, nullptr, none},
      {"local", kLocal, nullptr, none},
      {"no plugin of ours", kDisk, nullptr, kNoDeleter + "no volume plugin matched"},
      {"CSI", kCsi, nullptr, ""},
      {"migrated", host("/tmp/x"), migrated, ""},
      {"made in-tree, and migrated",
       host("/tmp/x"),
       {{"metadata",
         {{"annotations",
           {{"pv.kubernetes.io/provisioned-by", "kubernetes.io/host-path"},
            {"pv.kubernetes.io/migrated-to", "x.io"}}}}}},
       ""},
      {"an empty provisioned-by", host("/tmp/x"), made_by(""), "delete /tmp/x"},
      {"made in-tree", host("/tmp/x"), made_by("kubernetes.io/host-path"), "delete /tmp/x"},
      {"in-tree, by a plugin that there is not", host("/tmp/x"), made_by("kubernetes.io/aws-ebs"),
       kNoDeleter + "no volume plugin matched name: kubernetes.io/aws-ebs"},
      {"in-tree, by one that makes none", kNfs, made_by("kubernetes.io/nfs"), none},
      {"in-tree, of another source", kNfs, made_by("kubernetes.io/host-path"), no_source},
      {"in-tree, and CSI: the plugin's name decides", kCsi, made_by("kubernetes.io/aws-ebs"),
       kNoDeleter + "no volume plugin matched name: kubernetes.io/aws-ebs"},
      {"a foreign provisioner's", host("/tmp/x"), made_by("x.io/y"), ""},
      {"a foreign provisioner's, NFS", kNfs, made_by("x.io/y"), ""},
      {"ours", host("/tmp/x"), made_by("claimfs.io/host-path"), "delete /tmp/x"},
      {"ours, NFS", kNfs, made_by("k8s-sigs.io/nfs-subdir-external-provisioner"),
       "delete /export/data"},
      {"ours, local", kLocal, made_by("rancher.io/local-path"), "delete /tmp/data"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Json document = released("Delete", row.source, row.changes);
    CHECK(decided(document) == row.end);
    // The policy is asked again at every look; Retain asks for nothing, whoever made it.
    const Json retained = {{"spec", {{"persistentVolumeReclaimPolicy", "Retain"}}}};
    CHECK(decided(merged(document, retained)).empty());
    // Nobody's but a released volume's.
    for (const char* other : {"Pending", "Available", "Bound"})
      CHECK(decided(merged(document, phase(other))).empty());
    // Failed: tried again, and the refusal is not told again.
    const std::string again = decided(merged(document, phase("Failed")));
    CHECK((again.empty() || again == row.end));
    CHECK_FALSE(again.starts_with("Failed "));
  }
}

TEST_CASE("Delete: which directories of the host", "[reclaim]") {
  struct Row {
    const char* path;
    bool is_deleted;
  };
  const Row rows[] = {
      {"/tmp/x", true},
      {"/tmp/x/y", true},
      {"/tmp//x", true},
      {"//tmp//x", true},
      {"/tmp/x/", true},
      {"/tmp/./x", true},
      {"/tmp/a/../x", true},
      {"/var/../tmp/x", true},
      {"/tmp/..x", true},
      {"/tmp", false},
      {"/tmp/", false},
      {"/tmp//", false},
      {"//tmp//", false},
      {"/tmp/.", false},
      {"/tmp/..", false},
      {"/tmp/x/..", false},
      {"/tmp/../etc", false},
      {"/tmp/x/../../etc", false},
      {"/nottmp", false},
      {"/tmpx/y", false},
      {"/", false},
      {"", false},
      {"tmp/x", false},
      {"./tmp/x", false},
      // Kubernetes' pattern is found in these, too (3.2.3 [R]).
      {"/var/tmp/x", false},
      {"/data/tmp/y", false},
  };
  const auto refusal = [](const char* path) {
    return std::string(
               "Failed VolumeFailedDelete: host_path deleter only supports /tmp/.+ but received "
               "provided ") +
           path;
  };
  for (const Row& row : rows) {
    INFO(row.path);
    const Json document = released("Delete", host(row.path));
    CHECK(decided(document) ==
          (row.is_deleted ? "delete " + std::string(row.path) : refusal(row.path)));
    CHECK(decided(merged(document, made_by("kubernetes.io/host-path"))) == decided(document));
    CHECK(decided(document, {}, {}) == refusal(row.path));
    // A root that is everything, or no path, is none.
    CHECK(decided(document, {}, {"/", "", "tmp", "//"}) == refusal(row.path));
  }
  CHECK(decided(released("Delete", host("/srv/b/x")), {}, {"/tmp", "/srv/b/"}) ==
        "delete /srv/b/x");
  CHECK(decided(released("Delete", host("/srv/b")), {}, {"/tmp", "/srv/b/"}) == refusal("/srv/b"));
}

TEST_CASE("Delete: what was made by us is deleted in its base alone", "[reclaim]") {
  const auto at = [](const char* path, const char* base, const char* on_delete = nullptr) {
    Json annotations = {{"claimfs.io/base-directory", base}};
    if (on_delete) annotations["claimfs.io/on-delete"] = on_delete;
    return released("Delete", host(path), made_by("claimfs.io/host-path", annotations));
  };
  const auto refusal = [](const std::string& path) {
    return "Warning VolumeFailedDelete: the directory " + path +
           " is outside of the directories that claimfs may delete in (reclaim.hostPathRoots); "
           "delete it by hand, then the volume";
  };
  CHECK(decided(at("/srv/v/pv", "/srv/v")) == "delete /srv/v/pv");
  CHECK(decided(at("/srv/v/a/pv", "/srv/v/")) == "delete /srv/v/a/pv");
  for (const char* path :
       {"/srv/v", "/srv/v/", "/srv/v/..", "/srv/v/../w", "/srv/vv/x", "/etc", "srv/v/x", "", "/"})
    CHECK(decided(at(path, "/srv/v")) == refusal(path));
  for (const char* base : {"", "/", "//", "srv/v"})
    CHECK(decided(at("/srv/v/x", base)) == refusal("/srv/v/x"));

  CHECK(decided(at("/srv/v/x", "/srv/v", "archive")) == "archive /srv/v/x");
  CHECK(decided(at("/etc", "/srv/v", "archive")) == refusal("/etc"));
  // Nothing is touched, wherever it is: the object goes, the directory stays.
  CHECK(decided(at("/etc", "/srv/v", "retain")) == "keep");
  CHECK(decided(at("/srv/v/x", "/srv/v", "delete")) == "delete /srv/v/x");

  // 7.3: "finalizer present or not being deleted".
  const Json deleting = {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}};
  const Json protected_by_us = {{"metadata", {{"finalizers", {kOurs}}}}};
  const Json ours = merged(at("/srv/v/x", "/srv/v"), deleting);
  CHECK(decided(ours).empty());
  CHECK(decided(merged(ours, protected_by_us)) == "delete /srv/v/x");
  // 7.3: "only if phase Released".
  CHECK(decided(merged(at("/srv/v/x", "/srv/v"), phase("Failed"))).empty());
}

TEST_CASE("Delete: a directory that another volume in use has, too", "[reclaim]") {
  struct Row {
    const char* theirs;
    const char* phase;
    bool is_refused;
  };
  const Row rows[] = {
      {"/srv/v/shared", "Bound", true},       {"/srv/v//shared/", "Bound", true},
      {"/srv/v/shared/inner", "Bound", true}, {"/srv/v", "Bound", true},
      {"/srv/v/shared2", "Bound", false},     {"/srv/v/other", "Bound", false},
      {"/srv/v/shared", "Released", false},   {"/srv/v/shared", "Available", false},
  };
  for (const char* on_delete : {"delete", "archive"}) {
    const Json ours = released(
        "Delete", host("/srv/v/shared"),
        made_by("claimfs.io/host-path",
                {{"claimfs.io/base-directory", "/srv/v"}, {"claimfs.io/on-delete", on_delete}}));
    for (const Row& row : rows) {
      INFO(row.theirs << " " << row.phase);
      World world;
      Json other = released("Delete", host(row.theirs), phase(row.phase));
      other["metadata"]["name"] = "other";
      world.put(volume(ours));
      world.put(volume(other));
      CHECK(decided(ours, world) ==
            (row.is_refused ? "Warning VolumeFailedDelete: the directory /srv/v/shared is shared "
                              "with volume \"other\", which is in use"
                            : std::string(on_delete) + " /srv/v/shared"));
    }
  }
}

TEST_CASE("Delete: a directory named after its claim, and volumes in use at the same place",
          "[reclaim]") {
  const auto nfs = [](const char* server, const char* path) {
    return Json{{"nfs", {{"server", server}, {"path", path}}}};
  };
  const auto csi = [](const char* share, const char* below) {
    return Json{{"csi",
                 {{"driver", "nfs.csi.k8s.io"},
                  {"volumeHandle", "h"},
                  {"volumeAttributes",
                   {{"Server", "s"},
                    {"Share", share},
                    {"subDir", below},
                    {"csi.storage.k8s.io/pv/name", "pvc-claim-uid"}}}}}};
  };
  struct Row {
    const char* name;
    Json theirs;
    const char* phase;
    bool is_refused;
  };
  const Row rows[] = {
      {"the same", nfs("s", "/export/ns/pvc-claim-uid"), "Bound", true},
      {"the same, written otherwise", nfs("s", "/export//x/../ns/pvc-claim-uid/"), "Bound", true},
      {"inside", nfs("s", "/export/ns/pvc-claim-uid/photos"), "Bound", true},
      {"the same, by csi", csi("/export/", "ns/pvc-claim-uid"), "Bound", true},
      {"inside, by csi", csi("/export/ns/pvc-claim-uid", "photos"), "Bound", true},
      {"by a template", csi("/export", "ns/${pv.metadata.name}"), "Bound", true},
      {"not in use", nfs("s", "/export/ns/pvc-claim-uid"), "Released", false},
      {"on another server", nfs("t", "/export/ns/pvc-claim-uid"), "Bound", false},
      {"on this host", host("/export/ns/pvc-claim-uid"), "Bound", false},
      {"beside", nfs("s", "/export/ns/pvc-claim-uid2"), "Bound", false},
      // Volumes come and go in it, as whoever uses it knows.
      {"the whole share", nfs("s", "/export"), "Bound", false},
      {"a part of the share", nfs("s", "/export/ns"), "Bound", false},
  };
  for (const char* on_delete : {"delete", "archive"}) {
    const Json ours = released("Delete", nfs("s", "/export/ns/pvc-claim-uid"),
                               made_by("claimfs.io/nfs", {{"claimfs.io/base-directory", "/export"},
                                                          {"claimfs.io/on-delete", on_delete}}));
    for (const Row& row : rows) {
      INFO(on_delete << ": " << row.name);
      World world;
      Json other = released("Retain", row.theirs, phase(row.phase));
      other["metadata"]["name"] = "other";
      world.put(volume(ours));
      world.put(volume(other));
      CHECK(decided(ours, world) ==
            (row.is_refused
                 ? "Warning VolumeFailedDelete: the directory /export/ns/pvc-claim-uid is shared "
                   "with volume \"other\", which is in use"
                 : std::string(on_delete) + " /export/ns/pvc-claim-uid"));
    }
  }
}

TEST_CASE("Delete: what is around a part of a claim's own directory", "[reclaim]") {
  const Json ours =
      released("Delete", host("/srv/v/pvc-claim-uid/data"),
               made_by("claimfs.io/host-path", {{"claimfs.io/base-directory", "/srv/v"}}));
  const auto beside = [&](const char* theirs) {
    Json other = released("Retain", host(theirs), phase("Bound"));
    other["metadata"]["name"] = "other";
    World world;
    world.put(volume(ours));
    world.put(volume(other));
    return decided(ours, world);
  };
  CHECK(beside("/srv/v") == "delete /srv/v/pvc-claim-uid/data");
  CHECK(beside("/srv/v/pvc-claim-uid").starts_with("Warning VolumeFailedDelete: "));
}

TEST_CASE("Delete: where archives stand, and what else goes", "[reclaim]") {
  struct Row {
    const char* maker;
    const char* base;
    const char* path;
    std::string archive;
    bool takes_parents;
  };
  const Row rows[] = {
      {"nfs.csi.k8s.io", "/export", "/export/pv", "archived-pv", false},
      {"nfs.csi.k8s.io", "/export", "/export/ns/data", "archived-ns/data", true},
      {"nfs.csi.k8s.io", "/export/", "/export/a/b//c/", "archived-a/b/c", true},
      {"nfs.csi.k8s.io", "/", "/ns/data", "archived-ns/data", true},
      {"claimfs.io/nfs", "/export", "/export/ns/data", "archived-ns/data", false},
      {"k8s-sigs.io/nfs-subdir-external-provisioner", "/export", "/export/ns/data", "archived-data",
       false},
  };
  for (const Row& row : rows) {
    INFO(row.maker << " " << row.path);
    const auto work = [&](const char* on_delete, const char* another = nullptr) {
      const Json ours = released("Delete", {{"nfs", {{"server", "s"}, {"path", row.path}}}},
                                 made_by(row.maker, {{"claimfs.io/base-directory", row.base},
                                                     {"claimfs.io/on-delete", on_delete}}));
      World world;
      world.put(volume(ours));
      if (another) {
        Json other =
            released("Retain", {{"nfs", {{"server", "s"}, {"path", another}}}}, phase("Available"));
        other["metadata"]["name"] = "other";
        world.put(volume(other));
      }
      const Reclaim reclaim = decide_reclaim(volume(ours), world, kRoots);
      REQUIRE(reclaim.work);
      return *reclaim.work;
    };
    CHECK(work("archive").archive_name == row.archive);
    CHECK_FALSE(work("archive").takes_empty_parents);
    CHECK(work("delete").takes_empty_parents == row.takes_parents);
    // What a volume is, or the share itself, is nobody's empty directory.
    CHECK(work("delete", row.base).takes_empty_parents == row.takes_parents);
    CHECK(work("delete", "/elsewhere").takes_empty_parents == row.takes_parents);
    for (const char* parent : {"/export/ns", "/export/a", "/export/a/b/", "/ns"})
      if (std::string(row.path).starts_with(parent))
        CHECK_FALSE(work("delete", parent).takes_empty_parents);
  }
  // On the host: beside the directory.
  const Json host_path = released(
      "Delete", host("/srv/v/ns/data"),
      made_by("claimfs.io/host-path",
              {{"claimfs.io/base-directory", "/srv/v"}, {"claimfs.io/on-delete", "archive"}}));
  const Reclaim reclaim = decide_reclaim(volume(host_path), World(), kRoots);
  REQUIRE(reclaim.work);
  CHECK(reclaim.work->archive_name == "archived-data");
}

}  // namespace claimfs::volumes::testing
