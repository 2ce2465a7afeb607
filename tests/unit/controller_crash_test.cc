// The controller's process is killed at each of its writes, before and after it, and started again:
// it must end where it ends undisturbed. With the real store and real directories.

#include <csignal>
#include <filesystem>
#include <functional>
#include <regex>
#include <string>
#include <vector>

#include "backends/host_path/ground.h"
#include "control/api.h"
#include "control/controller.h"
#include "tests/unit/catch.h"
#include "tests/unit/forked.h"
#include "tests/unit/store_fixture.h"

namespace claimfs {
namespace {

namespace files = std::filesystem;
using volumes::Json;
using volumes::Kind;
using volumes::Object;

// A store whose process dies at its n-th write (from 1; 0: never).
class DeadlyStore final : public store::Store {
 public:
  enum class Moment { Before, After };
  DeadlyStore(store::Store& store, int deadly_write, Moment moment)
      : store_(store), deadly_write_(deadly_write), moment_(moment) {}

  Result<Object> get(const volumes::ObjectKey& key) override { return store_.get(key); }
  Result<store::Listing> list(Kind kind) override { return store_.list(kind); }
  Result<Object> create(const Object& object, const store::Lease* lease) override {
    return written([&] { return store_.create(object, lease); });
  }
  Result<Object> store_if(const Object& object, const store::Lease* lease,
                          const store::Grounds& grounds) override {
    return written([&] { return store_.store_if(object, lease, grounds); });
  }
  Result<Object> update(const Object& object) override {
    return written([&] { return store_.update(object); });
  }
  Result<Object> put(const Object& object) override {
    return written([&] { return store_.put(object); });
  }
  Result<void> remove(const volumes::ObjectKey& key, const std::string& version) override {
    return written([&] { return store_.remove(key, version); });
  }
  Result<store::Written> write_all(std::span<const store::Write> writes) override {
    return written([&] { return store_.write_all(writes); });
  }
  Result<store::Version> newest() override { return store_.newest(); }
  Result<std::unique_ptr<store::Watch>> watch(store::Version from) override {
    return store_.watch(from);
  }
  Result<std::unique_ptr<store::Lease>> grant_lease() override { return store_.grant_lease(); }
  Result<void> acquire(const std::string& name, const store::Lease& lease,
                       const std::string& holder) override {
    return written([&] { return store_.acquire(name, lease, holder); });
  }
  Result<void> release(const std::string& name, const store::Lease& lease) override {
    return written([&] { return store_.release(name, lease); });
  }
  Result<std::string> holder_of(const std::string& name) override { return store_.holder_of(name); }

 private:
  template <class Write>
  std::invoke_result_t<Write> written(Write&& write) {
    const bool is_deadly = ++writes_ == deadly_write_;
    if (is_deadly && moment_ == Moment::Before) ::raise(SIGKILL);
    auto result = write();
    if (is_deadly) ::raise(SIGKILL);
    return result;
  }

  store::Store& store_;
  const int deadly_write_;
  const Moment moment_;
  std::atomic<int> writes_ = 0;
};

// What a scenario's steps work with.
struct Cluster {
  control::Api& api;
  std::string directory;  // where volumes may be

  void create(Json document) const {
    (void)api.create({*volumes::kind_from_document(document), document});
  }
  void remove(Kind kind, const std::string& name) const {
    (void)api.remove({kind, volumes::names_of(kind).namespaced ? "default" : "", name});
  }
};
using Act = std::function<void(const Cluster&)>;

Json volume(const Cluster& cluster, const std::string& policy, bool is_reserved = false) {
  const std::string path = cluster.directory + "/static";
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", "pv"}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"persistentVolumeReclaimPolicy", policy},
                     {"storageClassName", "manual"},
                     {"hostPath", {{"path", path}}}}}};
  if (is_reserved) document["spec"]["claimRef"] = {{"namespace", "default"}, {"name", "data"}};
  return document;
}

Json claim(const std::string& class_name) {
  return {{"apiVersion", "v1"},
          {"kind", "PersistentVolumeClaim"},
          {"metadata", {{"name", "data"}, {"namespace", "default"}}},
          {"spec",
           {{"accessModes", {"ReadWriteOnce"}},
            {"storageClassName", class_name},
            {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
}

Json storage_class(const Cluster& cluster, bool waits) {
  return {{"apiVersion", "storage.k8s.io/v1"},
          {"kind", "StorageClass"},
          {"metadata", {{"name", "fast"}}},
          {"provisioner", "claimfs.io/host-path"},
          {"volumeBindingMode", waits ? "WaitForFirstConsumer" : "Immediate"},
          {"parameters", {{"root", cluster.directory}}}};
}

Json pod(bool is_ephemeral) {
  Json use = {{"name", "data"}, {"persistentVolumeClaim", {{"claimName", "data"}}}};
  if (is_ephemeral)
    use = {{"name", "data"},
           {"ephemeral", {{"volumeClaimTemplate", {{"spec", claim("fast")["spec"]}}}}}};
  return {{"apiVersion", "v1"},
          {"kind", "Pod"},
          {"metadata", {{"name", "pod"}, {"namespace", "default"}}},
          {"spec", {{"nodeName", "here"}, {"volumes", Json::array({use})}}}};
}

// Everything that can be compared between two runs: random ids are named in the order of their
// objects, times and versions are left out.
std::string picture_of(store::Store& store, const std::string& directory) {
  std::string text = "in the end:\n";
  std::vector<std::string> uids;
  for (Kind kind : {Kind::PersistentVolumeClaim, Kind::PersistentVolume, Kind::Pod}) {
    auto listing = store.list(kind);
    for (Object& object : listing->objects) {
      uids.push_back(object.uid());
      Json& document = object.document;
      for (const char* key : {"creationTimestamp", "resourceVersion", "deletionTimestamp"})
        document["metadata"].erase(key);
      if (document.contains("status")) document["status"].erase("lastPhaseTransitionTime");
      if (document["spec"].contains("claimRef"))
        document["spec"]["claimRef"].erase("resourceVersion");
      text += document.dump(1) + "\n";
    }
  }
  std::vector<std::string> paths;
  for (const auto& entry : files::recursive_directory_iterator(directory))
    paths.push_back(entry.path().string().substr(directory.size()));
  std::ranges::sort(paths);
  for (const std::string& path : paths) text += path + "\n";
  for (std::size_t i = 0; i < uids.size(); ++i) {
    for (auto at = text.find(uids[i]); at != std::string::npos; at = text.find(uids[i], at))
      text.replace(at, uids[i].size(), "uid" + std::to_string(i));
  }
  // Those of objects that are gone.
  static const std::regex kUid("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}");
  text = std::regex_replace(text, kUid, "uid of none");
  for (auto at = text.find(directory); at != std::string::npos; at = text.find(directory, at))
    text.replace(at, directory.size(), "DIRECTORY");
  return text;
}

struct Run {
  std::string picture;  // at the end
  bool was_killed = false;
};

// `before` in peace, `act` with death at the n-th write, then `act` again as its user would, and
// the rest in peace.
Run run(const Act& before, const Act& act, int deadly_write, DeadlyStore::Moment moment) {
  const store::Directory scratch;
  const std::string directory = scratch.path("volumes");
  files::create_directories(directory);
  const auto step = [&](const Act& does, int deadly) {
    return run_forked([&]() -> std::string {
      const auto opened = store::open_sqlite_store(scratch.database());
      DeadlyStore store(**opened, deadly, moment);
      const auto clock = control::system_clock();
      control::Api api(store, clock);
      const auto ground = backends::host_path_ground();
      does({api, directory});
      control::Controller controller(store, clock, *ground,
                                     {.host_path_roots = {directory},
                                      .default_root = directory,
                                      .node = volumes::Node{"here", {}}});
      if (const auto settled = controller.settle(); !settled) return settled.error().message();
      return picture_of(store, directory);
    });
  };
  REQUIRE(step(before, 0).status == 0);
  Run result;
  result.was_killed = step(act, deadly_write).status != 0;
  const Forked last = step(act, 0);
  REQUIRE(last.status == 0);
  result.picture = last.text;
  // Nothing is left to do.
  REQUIRE(step([](const Cluster&) {}, 0).text == last.text);
  return result;
}

}  // namespace

TEST_CASE("killed at any write, it ends where it ends undisturbed", "[crash]") {
  struct Row {
    const char* name;
    Act before;
    Act act;
  };
  const auto nothing = [](const Cluster&) {};
  const auto bound = [](const std::string& policy, bool is_reserved = false) {
    return [=](const Cluster& cluster) {
      files::create_directories(cluster.directory + "/static/full/of");
      cluster.create(volume(cluster, policy, is_reserved));
      cluster.create(claim("manual"));
    };
  };
  const auto release = [](const Cluster& cluster) {
    cluster.remove(Kind::PersistentVolumeClaim, "data");
  };
  const auto provisioned = [](const Cluster& cluster) {
    cluster.create(storage_class(cluster, false));
    cluster.create(claim("fast"));
  };
  const Row rows[] = {
      {"bind", nothing, bound("Retain")},
      {"bind what is reserved", nothing, bound("Retain", true)},
      {"release", bound("Retain"), release},
      {"release and delete", bound("Delete"), release},
      {"release and recycle", bound("Recycle"), release},
      {"release and recycle what was reserved", bound("Recycle", true), release},
      {"delete the volume, then its claim", bound("Delete"),
       [](const Cluster& cluster) {
         cluster.remove(Kind::PersistentVolume, "pv");
         cluster.remove(Kind::PersistentVolumeClaim, "data");
       }},
      {"provision", nothing, provisioned},
      {"delete what was provisioned", provisioned, release},
      {"provision for the first pod",
       [](const Cluster& cluster) { cluster.create(storage_class(cluster, true)); },
       [](const Cluster& cluster) {
         cluster.create(claim("fast"));
         cluster.create(pod(false));
       }},
      {"an ephemeral volume",
       [](const Cluster& cluster) { cluster.create(storage_class(cluster, false)); },
       [](const Cluster& cluster) { cluster.create(pod(true)); }},
      {"the end of an ephemeral volume",
       [](const Cluster& cluster) {
         cluster.create(storage_class(cluster, false));
         cluster.create(pod(true));
       },
       [](const Cluster& cluster) { cluster.remove(Kind::Pod, "pod"); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string undisturbed =
        run(row.before, row.act, 0, DeadlyStore::Moment::Before).picture;
    for (const auto moment : {DeadlyStore::Moment::Before, DeadlyStore::Moment::After}) {
      int deadly = 1;
      for (bool was_killed = true; was_killed; ++deadly) {
        CAPTURE(deadly, static_cast<int>(moment));
        const Run killed = run(row.before, row.act, deadly, moment);
        CHECK(killed.picture == undisturbed);
        was_killed = killed.was_killed;
      }
      // There were writes to die at.
      CHECK(deadly > 3);
    }
  }
}

}  // namespace claimfs
