#include "backends/make_backend.h"

#include <cerrno>
#include <utility>

#include "backends/block.h"
#include "backends/host_path.h"
#include "backends/nfs.h"
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
  if (const auto* csi = std::get_if<volumes::CsiSource>(&volume.source))
    source = "is a csi volume of " + csi->driver;
  if (const auto* other = std::get_if<volumes::OtherSource>(&volume.source))
    source = "is a " + other->field + " volume";
  return "it " + source +
         ", which claimfs does not serve: it serves hostPath, local, nfs and csi of nfs.csi.k8s.io";
}

std::unique_ptr<Backend> unmountable(const volumes::Volume& volume, const std::string& why) {
  return std::make_unique<UnmountableBackend>(set_up_failed(volume, why));
}

std::unique_ptr<Backend> make_nfs(const volumes::Volume& volume, Mounting mounting) {
  if (volume.mode == volumes::VolumeMode::Block) {
    return unmountable(volume,
                       std::holds_alternative<volumes::CsiSource>(volume.source)
                           ? "rpc error: code = InvalidArgument desc = block volume capability not "
                             "supported"
                           : "an nfs volume cannot be a block device (volumeMode: Block)");
  }
  auto options = volumes::nfs_options(volume, mounting.claim_modes, mounting.nfs);
  if (!options) return unmountable(volume, options.error());
  return make_nfs_backend(std::move(*options), std::move(mounting.capacity),
                          std::move(mounting.report));
}

}  // namespace

std::unique_ptr<Backend> make_backend(const volumes::Volume& volume, Mounting mounting) {
  if (mounting.refusal) return std::make_unique<UnmountableBackend>(std::move(*mounting.refusal));
  if (volumes::is_nfs(volume)) return make_nfs(volume, std::move(mounting));
  std::string path, type;
  const auto* local = std::get_if<volumes::LocalSource>(&volume.source);
  if (const auto* host_path = std::get_if<volumes::HostPathSource>(&volume.source)) {
    path = host_path->path;
    type = host_path->type;
  } else if (local) {
    path = local->path;
  } else {
    return unmountable(volume, not_served(volume));
  }
  if (volume.mode == volumes::VolumeMode::Block) {
    return make_block_backend({.path = path,
                               .type = type,
                               .is_local = local != nullptr,
                               .capacity_bytes = mounting.capacity.bytes});
  }
  return make_host_path_backend({.path = path,
                                 .type = type,
                                 .is_local = local != nullptr,
                                 .capacity = std::move(mounting.capacity)});
}

}  // namespace claimfs::backends
