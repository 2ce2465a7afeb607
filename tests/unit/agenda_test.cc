#include "control/agenda.h"

#include "tests/unit/catch.h"

namespace claimfs::control {
namespace {

using volumes::Claim;
using volumes::Json;
using volumes::Kind;
using volumes::Pod;
using volumes::Volume;
using volumes::World;
using Names = std::vector<std::string>;

Volume volume(const std::string& name, const Json& spec = {}) {
  Json document = {{"metadata", {{"name", name}}},
                   {"spec", {{"storageClassName", "manual"}}},
                   {"status", {{"phase", "Available"}}}};
  if (!spec.is_null()) document["spec"].merge_patch(spec);
  return Volume::from({Kind::PersistentVolume, document});
}

Claim claim(const std::string& name, const std::string& created, const Json& spec = {}) {
  Json document = {
      {"metadata", {{"name", name}, {"namespace", "ns"}, {"creationTimestamp", created}}},
      {"spec", {{"storageClassName", "manual"}}}};
  if (!spec.is_null()) document["spec"].merge_patch(spec);
  return Claim::from({Kind::PersistentVolumeClaim, document});
}

Names names_of(const std::vector<Agenda::ClaimName>& claims) {
  Names names;
  for (const auto& [name_space, name] : claims) names.push_back(name);
  return names;
}

Json reserved(const char* claim) { return {{"claimRef", {{"namespace", "ns"}, {"name", claim}}}}; }

}  // namespace

TEST_CASE("what a change may be a reason for is looked at, and nothing else", "[agenda]") {
  World world;
  world.put(volume("free"));
  world.put(volume("mine", reserved("reserved")));
  world.put(claim("waits", "2"));
  world.put(claim("waits-longer", "1"));
  world.put(claim("other-class", "1", {{"storageClassName", "other"}}));
  world.put(claim("reserved", "1", {{"storageClassName", "other"}}));
  world.put(claim("names", "1", {{"volumeName", "named"}}));
  world.put(Pod::from(
      {Kind::Pod,
       {{"metadata", {{"name", "pod"}, {"namespace", "ns"}}},
        {"spec",
         {{"volumes",
           Json::array(
               {{{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "reserved"}}}}})}}}}}));
  struct Row {
    const char* name;
    volumes::ObjectKey key;
    Names volumes;
    Names claims;
    Names pods;
  };
  const Row rows[] = {
      {"a free volume",
       {Kind::PersistentVolume, "", "free"},
       {"free"},
       {"waits-longer", "waits"},
       {}},
      {"a reserved one", {Kind::PersistentVolume, "", "mine"}, {"mine"}, {"reserved"}, {}},
      {"one that a claim names", {Kind::PersistentVolume, "", "named"}, {"named"}, {"names"}, {}},
      {"a claim", {Kind::PersistentVolumeClaim, "ns", "waits"}, {}, {"waits"}, {}},
      {"a claim with a reservation and a pod",
       {Kind::PersistentVolumeClaim, "ns", "reserved"},
       {"mine"},
       {"reserved"},
       {"pod"}},
      {"a claim that names a volume",
       {Kind::PersistentVolumeClaim, "ns", "names"},
       {"named"},
       {"names"},
       {}},
      {"a pod", {Kind::Pod, "ns", "pod"}, {"mine"}, {"reserved"}, {"pod"}},
      {"an event", {Kind::Event, "ns", "x"}, {}, {}, {}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Agenda agenda;
    agenda.touch(world, row.key);
    CHECK(agenda.take_volumes() == row.volumes);
    CHECK(names_of(agenda.take_claims(world)) == row.claims);
    CHECK(names_of(agenda.take_pods()) == row.pods);
    CHECK(agenda.is_empty());
  }
  Agenda agenda;
  agenda.touch(world, {Kind::StorageClass, "", "manual"});
  CHECK(agenda.take_volumes().size() == 2);
  CHECK(agenda.take_claims(world).size() == 5);
}

TEST_CASE("from time to time what waits is looked at again", "[agenda]") {
  World world;
  const auto released = [](const char* name, const char* policy) {
    Volume it = volume(name, {{"persistentVolumeReclaimPolicy", policy}});
    it.phase = volumes::VolumePhase::Released;
    return it;
  };
  world.put(released("deletes", "Delete"));
  world.put(released("retained", "Retain"));
  world.put(volume("free"));
  Claim bound = claim("bound", "1");
  bound.phase = volumes::ClaimPhase::Bound;
  bound.status_capacity = volumes::Quantity::of_bytes(1);
  world.put(bound);
  bound.metadata.name = "wants-more";
  bound.request = volumes::Quantity::of_bytes(2);
  world.put(bound);
  world.put(claim("pending", "1"));
  Agenda agenda;
  agenda.fill_restless(world);
  CHECK(agenda.take_volumes() == Names{"deletes"});
  CHECK(names_of(agenda.take_claims(world)) == Names{"pending", "wants-more"});
}

}  // namespace claimfs::control
