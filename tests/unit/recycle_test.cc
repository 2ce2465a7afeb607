// Released volumes that are recycled, and what follows any policy's work. KUBERNETES.md 3.1, 3.3,
// 3.4, 4.2.

#include "tests/unit/released_volume.h"

namespace claimfs::volumes::testing {

TEST_CASE("Recycle: which sources, and for how long", "[reclaim]") {
  const std::string none = "Failed VolumeFailedRecycle: No recycler plugin found for the volume!";
  for (const Json& source : {kLocal, kCsi, kDisk})
    CHECK(decided(released("Recycle", source)) == none);
  struct Row {
    const char* capacity;
    const char *host, *nfs;  // seconds
  };
  const Row rows[] = {
      {"1", "60", "300"},
      {"1Gi", "60", "300"},
      {"2Gi", "60", "300"},
      {"3221225471", "60", "300"},  // a byte less than 3Gi
      {"3221225470500m", "60", "300"},
      {"3221225471500m", "90", "300"},  // rounded up, as 5.4 says
      {"3Gi", "90", "300"},
      {"10Gi", "300", "300"},
      {"11Gi", "330", "330"},
      {"1Ti", "30720", "30720"},
      {"1Pi", "31457280", "31457280"},
  };
  for (const Row& row : rows) {
    INFO(row.capacity);
    const Json sized = {{"spec", {{"capacity", {{"storage", row.capacity}}}}}};
    CHECK(decided(merged(released("Recycle", host("/anywhere")), sized)) ==
          "recycle within " + std::string(row.host));
    CHECK(decided(merged(released("Recycle", kNfs), sized)) ==
          "recycle within " + std::string(row.nfs));
  }
}

TEST_CASE("Recycle: pods that still refer to the claim's name", "[reclaim]") {
  const Json document = released("Recycle", host("/tmp/x"));
  const auto used = [](const std::string& pods) {
    return "Normal VolumeFailedRecycle: Volume is used by pods: " + pods;
  };
  const Json elsewhere = {{"metadata", {{"namespace", "far"}}}};
  const Json on_node = {{"spec", {{"nodeName", "n"}}}};
  const std::string recycles = "recycle within 60";
  CHECK(decided(document, world_of({})) == recycles);
  CHECK(decided(document, world_of({pod("b")})) == used("default/b"));
  CHECK(decided(document, world_of({pod("b", on_node), pod("a", phase("Pending"))})) ==
        used("default/a,default/b"));
  CHECK(decided(document, world_of({pod("b", phase("Running")), pod("a", phase("Failed"))})) ==
        used("default/b"));
  CHECK(decided(document, world_of({pod("a", phase("Succeeded"))})) == recycles);
  CHECK(decided(document, world_of({pod("a", elsewhere)})) == recycles);
  // A new claim of the name: whoever refers to it means that one.
  CHECK(decided(document, world_of({pod("a")}, "newer-uid")) == recycles);
  // And one that is still there keeps everything.
  CHECK(decided(document, world_of({}, "claim-uid")).empty());
  // Delete and Retain do not ask.
  CHECK(decided(released("Delete", host("/tmp/x")), world_of({pod("a")})) == "delete /tmp/x");
  CHECK(decided(released("Retain", host("/tmp/x")), world_of({pod("a")})).empty());
}

TEST_CASE("no longer released: nothing is done", "[reclaim]") {
  for (const char* policy : {"Delete", "Recycle", "Shred"}) {
    INFO(policy);
    const Json document = released(policy, host("/tmp/x"));
    const Json without_uid = {{"spec", {{"claimRef", {{"uid", nullptr}}}}}};
    const Json without_reference = {{"spec", {{"claimRef", nullptr}}}};
    CHECK_FALSE(decided(document).empty());
    CHECK(decided(merged(document, without_uid)).empty());
    CHECK(decided(merged(document, without_reference)).empty());
    for (const char* volume_name : {"", "pv", "another"}) {
      INFO(volume_name);
      World world = world_of({}, "claim-uid");
      Claim claim = *world.claim("default", "data");
      claim.volume_name = volume_name;
      world.put(claim);
      CHECK(decided(document, world).empty());
      // But for one that was made for the claim, which has taken another (2.2).
      const Json made = merged(document, made_by("kubernetes.io/host-path"));
      const bool is_left_over = std::string(policy) == "Delete" && claim.volume_name == "another";
      CHECK(decided(made, world) == (is_left_over ? "delete /tmp/x" : ""));
    }
  }
}

TEST_CASE("a policy that nobody knows", "[reclaim]") {
  for (const Json& source : {host("/tmp/x"), kNfs, kCsi})
    CHECK(decided(released("Shred", source)) ==
          "Failed VolumeUnknownReclaimPolicy: Volume has unrecognized "
          "PersistentVolumeReclaimPolicy");
}

TEST_CASE("the work that did not work", "[reclaim]") {
  const auto failed = [](const Json& document, Action action) {
    const ReclaimWork work{.action = action, .source = HostPathSource{"/tmp/x", ""}};
    const Step step = reclaim_failed(volume(document), work, "it is wet");
    Lines lines = told(step);
    if (step.volume) {
      CHECK(step.volume->phase == VolumePhase::Failed);
      lines.push_back(step.volume->message);
    }
    return lines;
  };
  const Json by_hand = released("Delete", host("/tmp/x"));
  CHECK(failed(by_hand, Action::Delete) ==
        Lines{"Warning VolumeFailedDelete: it is wet", "it is wet"});
  const std::string recycler = "Recycle failed: failed to recycle volume: it is wet";
  CHECK(failed(by_hand, Action::Recycle) ==
        Lines{"Warning VolumeFailedRecycle: " + recycler, recycler});
  // Once for each transition.
  CHECK(failed(merged(by_hand, phase("Failed")), Action::Delete).empty());
  CHECK(failed(merged(by_hand, phase("Failed")), Action::Recycle).empty());
  // 7.3: an external provisioner's volume stays Released, and is told of each time.
  const Json ours = merged(by_hand, made_by("claimfs.io/host-path"));
  CHECK(failed(ours, Action::Delete) == Lines{"Warning VolumeFailedDelete: it is wet"});
  CHECK(failed(ours, Action::Archive) == Lines{"Warning VolumeFailedDelete: it is wet"});
}

TEST_CASE("after the work", "[reclaim]") {
  for (const bool by_controller : {true, false}) {
    Json document = released("Recycle", host("/tmp/x"), phase("Failed"));
    document["status"]["message"] = "it was wet";
    if (by_controller)
      document["metadata"]["annotations"]["pv.kubernetes.io/bound-by-controller"] = "yes";
    const Step step = recycled(volume(document));
    CHECK(told(step) == Lines{"Normal VolumeRecycled: Volume recycled"});
    REQUIRE(step.volume);
    const Json after = step.volume->written_into(document);
    CHECK(after["status"] == Json{{"phase", "Available"}});
    const Json claim_ref = {{"namespace", "default"}, {"name", "data"}};
    CHECK(value_at(after, {"spec", "claimRef"}) == (by_controller ? Json() : claim_ref));
    CHECK_FALSE(step.volume->metadata.has_annotation("pv.kubernetes.io/bound-by-controller"));
    CHECK_FALSE(step_volume(*step.volume, World()).volume);
  }
  // Only the finalizers that stood for the storage go, and the protection that they had.
  const auto left = [](const Json& changes) {
    Json document = released("Delete", host("/tmp/x"), changes);
    document["metadata"]["finalizers"] = {"kubernetes.io/pv-protection", kInTree, kOurs,
                                          "x.io/mine"};
    return deleted(volume(document)).metadata.finalizers;
  };
  CHECK(left(made_by("claimfs.io/nfs")) == std::vector<std::string>{"x.io/mine"});
  CHECK(left(made_by("kubernetes.io/host-path")) == std::vector<std::string>{kOurs, "x.io/mine"});
}

TEST_CASE("when a deleted volume's protection ends", "[reclaim]") {
  const Json deleting = {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}};
  const auto ends = [](const Json& document) {
    return protection_ends(volume(document), World(), kRoots);
  };
  for (const char* policy : {"Retain", "Recycle", "Delete"}) {
    for (const char* word : {"", "Pending", "Available", "Bound", "Released", "Failed"}) {
      INFO(policy << " " << word);
      const Json document = released(policy, host("/tmp/x"), phase(word));
      CHECK_FALSE(ends(document));
      // 4.2: not Bound; 3.5 [R]: a static volume's policy is still carried out.
      const bool has_work = std::string(word) == "Released" && std::string(policy) != "Retain";
      CHECK(ends(merged(document, deleting)) == (std::string(word) != "Bound" && !has_work));
      Json unprotected = merged(document, deleting);
      unprotected["metadata"]["finalizers"] = {"x.io/mine"};
      CHECK_FALSE(ends(unprotected));
    }
  }
  // What nobody here does is not waited for.
  for (const Json& source : {kCsi, kNfs, host("/etc")})
    CHECK(ends(merged(released("Delete", source), deleting)));
}

}  // namespace claimfs::volumes::testing
