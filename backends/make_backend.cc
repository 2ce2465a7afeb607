#include "backends/make_backend.h"

#include <cerrno>

#include "backends/block.h"
#include "backends/host_path.h"
#include "backends/refusing_backend.h"

namespace claimfs::backends {
namespace {

// A volume that cannot be mounted: only its refusal is ever asked for.
class UnmountableBackend final : public RefusingBackend {
 public:
  explicit UnmountableBackend(std::string why) : RefusingBackend(EIO), why_(std::move(why)) {}

  Result<void> start() override { return failure(0, why_); }
  Result<Attributes> probe() override { return failure(EIO, why_); }
  void root(Answer<Entry> answer) override { answer.fail(EIO); }
  void get_attributes(const Caller&, Inode&, File*, Answer<Attributes> answer) override {
    answer.fail(EIO);
  }
  void open(const Caller&, Inode&, int, Answer<std::unique_ptr<File>> answer) override {
    answer.fail(EIO);
  }
  void read(const Caller&, File&, std::size_t, off_t,
            Answer<std::span<const std::byte>> answer) override {
    answer.fail(EIO);
  }
  void file_system_state(const Caller&, Answer<FileSystemState> answer) override {
    answer.fail(EIO);
  }

 private:
  std::string why_;
};

// Puts Kubernetes' words before what start() of a backend of ours says.
std::string set_up_failed(const volumes::Volume& volume, const std::string& why) {
  return "MountVolume.SetUp failed for volume \"" + volume.metadata.name + "\" : " + why;
}

std::string not_served(const volumes::Volume& volume) {
  std::string source = "has no source";
  if (std::holds_alternative<volumes::NfsSource>(volume.source)) source = "is an nfs volume";
  if (std::holds_alternative<volumes::CsiSource>(volume.source)) source = "is a csi volume";
  if (const auto* other = std::get_if<volumes::OtherSource>(&volume.source))
    source = "is a " + other->field + " volume";
  return "it " + source +
         ", which this version of claimfs does not serve: it serves hostPath and local";
}

}  // namespace

std::unique_ptr<Backend> make_backend(const volumes::Volume& volume, CapacityOptions capacity,
                                      std::optional<std::string> refusal) {
  if (refusal) return std::make_unique<UnmountableBackend>(std::move(*refusal));
  std::string path, type;
  const auto* local = std::get_if<volumes::LocalSource>(&volume.source);
  if (const auto* host_path = std::get_if<volumes::HostPathSource>(&volume.source)) {
    path = host_path->path;
    type = host_path->type;
  } else if (local) {
    path = local->path;
  } else {
    return std::make_unique<UnmountableBackend>(set_up_failed(volume, not_served(volume)));
  }
  if (volume.mode == volumes::VolumeMode::Block) {
    return make_block_backend({.path = path,
                               .type = type,
                               .is_local = local != nullptr,
                               .capacity_bytes = capacity.bytes});
  }
  return make_host_path_backend(
      {.path = path, .type = type, .is_local = local != nullptr, .capacity = std::move(capacity)});
}

}  // namespace claimfs::backends
