#pragma once

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "backends/backend.h"
#include "backends/nfs.h"
#include "backends/nfs/accounting.h"
#include "backends/nfs/attributes_of.h"
#include "backends/nfs/file.h"
#include "backends/nfs/files_ahead.h"
#include "backends/nfs/hidden_file.h"
#include "backends/nfs/inode.h"
#include "backends/nfs/known_names.h"
#include "backends/nfs/listing_ahead.h"
#include "backends/nfs/local_locks.h"
#include "backends/nfs/next_directories.h"
#include "backends/nfs/recent_changes.h"
#include "backends/nfs/remount.h"
#include "backends/nfs/root_probe.h"
#include "backends/nfs/session.h"

namespace claimfs::backends::nfs {

// One volume's operations as calls to its server. An operation's steps are chained by lambdas that
// own what they need; a Ticket is what they share.
class NfsBackend final : public Backend {
 public:
  NfsBackend(volumes::NfsOptions options, CapacityOptions capacity, ReportIncident report);
  ~NfsBackend() override { stop(); }

  void set_remembered(RememberedInodes* remembered) override { remembered_ = remembered; }
  Result<void> start() override;
  void stop() override;
  std::optional<Silence> silence() const override;
  bool is_changed_here_only() const override { return options_.exclusive; }
  bool lists_attributes_anyway() const override { return true; }
  void set_capacity(std::uint64_t bytes) override;
  Enforcement enforcement() const override;
  Result<Attributes> probe() override;
  void root(Answer<Entry> answer) override;

  // names.cc
  void lookup(const Caller& caller, Inode& parent, std::string_view name,
              Answer<Entry> answer) override;
  void read_link(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                 dev_t device, Answer<Entry> answer) override;
  void make_directory(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                      Answer<Entry> answer) override;
  void make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                    std::string_view target, Answer<Entry> answer) override;
  void link(const Caller& caller, Inode& inode, Inode& new_parent, std::string_view new_name,
            Answer<Entry> answer) override;

  // removals.cc
  void unlink(const Caller& caller, Inode& parent, std::string_view name,
              Answer<void> answer) override;
  void remove_directory(const Caller& caller, Inode& parent, std::string_view name,
                        Answer<void> answer) override;
  void rename(const Caller& caller, Inode& parent, std::string_view name, Inode& new_parent,
              std::string_view new_name, unsigned flags, Answer<void> answer) override;

  // attributes.cc
  void get_attributes(const Caller& caller, Inode& inode, File* file,
                      Answer<Attributes> answer) override;
  void set_attributes(const Caller& caller, Inode& inode, File* file,
                      const AttributeChanges& changes, Answer<Attributes> answer) override;
  void file_system_state(const Caller& caller, Answer<FileSystemState> answer) override;

  // files.cc
  void open(const Caller& caller, Inode& inode, int flags,
            Answer<std::unique_ptr<File>> answer) override;
  void create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode, int flags,
              Answer<Created> answer) override;
  void create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                      Answer<Created> answer) override;
  void allocate(const Caller& caller, File& file, int mode, off_t offset, off_t length,
                Answer<void> answer) override;
  void seek(const Caller& caller, File& file, off_t offset, int whence,
            Answer<off_t> answer) override;
  void copy_range(const Caller& caller, File& from, off_t from_offset, File& to, off_t to_offset,
                  std::size_t length, Answer<std::size_t> answer) override;

  // reading.cc
  void read(const Caller& caller, File& file, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer) override;
  // writing.cc
  void write(const Caller& caller, File& file, std::span<const std::byte> data, off_t offset,
             WriteOptions options, Answer<std::size_t> answer) override;
  void flush(const Caller& caller, File& file, Answer<void> answer) override;
  void sync(const Caller& caller, File& file, bool data_only, Answer<void> answer) override;

  // directories.cc
  void open_directory(const Caller& caller, Inode& inode,
                      Answer<std::unique_ptr<File>> answer) override;
  void read_directory(const Caller& caller, File& directory, std::uint64_t cursor,
                      DirectorySink& sink, Answer<void> answer) override;
  void sync_directory(const Caller& caller, File& directory, bool data_only,
                      Answer<void> answer) override;

  // locks.cc, with the extended attributes that there are none of
  void get_xattr(const Caller& caller, Inode& inode, std::string_view name,
                 Answer<std::string> answer) override;
  void set_xattr(const Caller& caller, Inode& inode, std::string_view name, std::string_view value,
                 int flags, bool may_keep_set_gid, Answer<void> answer) override;
  void list_xattrs(const Caller& caller, Inode& inode, Answer<std::string> answer) override;
  void remove_xattr(const Caller& caller, Inode& inode, std::string_view name,
                    Answer<void> answer) override;
  void flock(File& file, int operation, bool wait, Answer<void> answer) override;
  void test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) override;
  void set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) override;
  void drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) override;

 private:
  using TicketPointer = std::shared_ptr<Ticket>;

  static NfsInode& nfs(Inode& inode) { return static_cast<NfsInode&>(inode); }
  static NfsFile& nfs(File& file) { return static_cast<NfsFile&>(file); }

  std::optional<Clock::duration> soft_deadline() const;

  // A new operation's, by whoever asks, or by whoever opened the file.
  TicketPointer ticket_for(const Caller& caller);
  TicketPointer ticket_for(const Caller& caller, const Identity& opener);

  // `place` is the call's.
  template <class P, class Fill, class Then>
  void ask(TicketPointer ticket, Fill fill, Then then, std::span<std::byte> place = {}) {
    auto call = make_call<P>(
        std::move(ticket), std::move(fill),
        [this, then = std::move(then)](Result<typename P::Reply*> reply, bool was_sent) mutable {
          // Something else has its name now, which the kernel looks for next.
          if (!reply && reply.error().code == ESTALE) known_names_.forget_all();
          then(std::move(reply), was_sent);
        });
    if (!place.empty()) call->place = [place] { return place; };
    session_->submit(std::move(call));
  }

  // What is wrong with a change in a directory before anybody is asked; 0: nothing.
  int refusal_of_change(const Inode& parent, std::string_view name) const;
  int refusal_of_name(const Inode& parent, std::string_view name) const;

  std::optional<Attributes> told(const post_op_attr& from) const {
    return attributes_of(from, server_);
  }
  Attributes told(const fattr3& from) const { return attributes_of(from, server_); }

  // Answers with what a reply said of a file, and asks for what it left out.
  void answer_entry(TicketPointer ticket, const FileHandle& parent, std::string name,
                    const FileHandle& found, std::optional<Attributes> attributes,
                    Answer<Entry> answer);
  void look_up(TicketPointer ticket, const FileHandle& parent, std::string name,
               Answer<Entry> answer);
  // `changes` of the directory, as it was when the question was asked.
  Answer<Entry> remembering(const Ticket& ticket, NfsInode& directory, std::uint64_t changes,
                            std::string_view name, Answer<Entry> answer);
  // For CREATE, MKDIR, SYMLINK and MKNOD, whose replies have one form.
  template <class P, class Part, class Fill>
  void make(TicketPointer ticket, NfsInode& directory, std::string_view name, Fill fill, Part part,
            Answer<Entry> answer);
  template <class P, class Part, class Fill>
  void make_there(TicketPointer ticket, NfsInode& directory, std::string text, Fill fill, Part part,
                  Answer<Entry> answer);
  static Answer<Entry> as_new(Answer<Entry> answer);
  void end(DirectoryChange& change, const wcc_data& told_of) const {
    change.ended(before_of(told_of), told(told_of.after));
  }
  void link_there(TicketPointer ticket, NfsInode& file, NfsInode& parent,
                  const std::string& new_name, Answer<Entry> answer);

  void get(TicketPointer ticket, const FileHandle& handle, Answer<Attributes> answer);
  // `news` when it is a directory.
  void set(TicketPointer ticket, const FileHandle& handle, const sattr3& changes,
           Answer<Attributes> answer, const std::shared_ptr<DirectoryNews>& news = nullptr);
  void change(TicketPointer ticket, NfsInode& file, const AttributeChanges& changes,
              Answer<Attributes> answer);

  // What a name that is about to go stands for, if that matters: when it is open, or may be.
  struct Leaving {
    FileHandle handle;  // empty: nothing has to be done
    bool is_directory = false;
    bool is_last_name = false;
    std::optional<Attributes> attributes;
    Accounting::Since known{};
  };
  void find_leaving(TicketPointer ticket, const NfsInode& parent, std::string name,
                    Answer<Leaving> answer);
  std::shared_ptr<HiddenFile> hidden_file(const TicketPointer& ticket, const FileHandle& directory,
                                          const std::string& name);
  void hide(const TicketPointer& ticket, const FileHandle& handle, const FileHandle& directory,
            const std::string& hidden_name);
  void remove_name(TicketPointer ticket, NfsInode& parent, std::string name, Answer<void> answer);
  void move_name(TicketPointer ticket, NfsInode& from, std::string name, NfsInode& to,
                 std::string new_name, Answer<void> answer);

  // The rest of rename(): whatever has the new name is replaced.
  void replace_name(TicketPointer ticket, NfsInode& from, std::string name, NfsInode& to,
                    std::string new_name, Answer<void> answer);
  // moves.cc: the same into another directory, of a server that may have another handle for the
  // file then.
  void move_and_follow(TicketPointer ticket, NfsInode& from, std::string name, NfsInode& to,
                       std::string new_name, Answer<void> answer);
  struct Move;
  void learn_moved(std::shared_ptr<Move> move);
  bool is_known(const FileHandle& handle) const;
  bool may_change_moved_handles() const { return !keeps_moved_handles_.load(); }

  void open_there(TicketPointer ticket, NfsInode& inode, int flags,
                  Answer<std::unique_ptr<File>> answer);
  std::unique_ptr<File> make_file(const Ticket& ticket, const FileHandle& handle, int flags);
  void create_exclusively(TicketPointer ticket, NfsInode& directory, std::string name, mode_t mode,
                          Answer<Entry> answer);

  // capacity.cc
  Result<void> start_accounting();
  // Calls `use` once, when there is room, or the ticket waits no more. May be called inline.
  void wait_for_room(const TicketPointer& ticket, std::uint64_t wanted, Accounting::Use use);
  // Makes a name by `make(Answer<T>)`, where there is room for it. (room.h)
  struct NewName {
    std::uint64_t own_bytes = 0;  // what the new thing takes beside its name
    bool is_of_something_new = true;
  };
  template <class T, class Make>
  void in_room_for(NewName name, const TicketPointer& ticket, Answer<T> answer, Make make);
  void has_made(Ticket& ticket, const Entry& entry);
  void has_made_directory(const MKDIR3resok& made);
  // Names were made in the directory, or have gone.
  void has_changed(Ticket& ticket, const FileHandle& directory, DirectoryChange& change,
                   const wcc_data& told_of);
  // With what is gone its room comes back.
  Answer<void> giving_back(const Leaving& leaving, Answer<void> answer);
  struct LaterWrite;
  // As much as there is room for; `data` is valid during the call only.
  void write_within(const TicketPointer& ticket, NfsFile& file, std::span<const std::byte> data,
                    WrittenFile::Place place, Answer<std::size_t> answer);

  // What is wanted of a file.
  struct ReadRange {
    FileHandle handle;
    std::uint64_t offset = 0;
    std::size_t size = 0;
    std::span<std::byte> room{};  // the caller's, of this size; empty: it has none
  };
  // reading_ahead.cc; `writes` of ours that the server has.
  void read_in_turn(const Caller& caller, const Identity& opener, std::shared_ptr<FileAhead> ahead,
                    const ReadRange& range, std::uint64_t writes,
                    Answer<std::span<const std::byte>> answer);
  void ask_for(const FileHandle& handle, std::shared_ptr<AheadPiece> piece);
  // No more than was asked for.
  static std::span<const std::byte> data_of(const READ3resok& read, std::size_t asked) {
    const std::span<const char> data(read.data.data_val, read.data.data_len);
    return std::as_bytes(data.first(std::min(data.size(), asked)));
  }
  struct ManyReads;
  void read_piece(std::shared_ptr<ManyReads> reads, std::size_t at, std::size_t size);
  void read_from_server(TicketPointer ticket, const ReadRange& range,
                        Answer<std::span<const std::byte>> answer);
  void read_over(TicketPointer ticket, const ReadRange& range, std::shared_ptr<WrittenFile> written,
                 WrittenFile::View view, Answer<std::span<const std::byte>> answer);
  Answer<std::size_t> killing_set_id(TicketPointer ticket, NfsFile& file,
                                     Answer<std::size_t> answer);
  // The server's word on a file, with what is newer here.
  Attributes corrected(const Ticket& ticket, const FileHandle& handle,
                       Attributes attributes) const {
    files_ahead_->told(handle, attributes);
    if (const auto written = written_files_.find(handle))
      written->correct(attributes, ticket.begun_at);
    return attributes;
  }
  // leaving.cc
  void write_back_all();
  void report_loss(const std::string& what, std::size_t files, int why);

  Result<Attributes> ask_for_root() const;
  void was_replaced(const Export& found);
  struct Listing;
  // Small directories have all their entries in their first reply; those who open a large one only
  // to have it synced do not wait for more.
  static constexpr std::uint32_t kFirstReplyBytes = 32U << 10U;
  // What came with the open is what somebody who begins to read would be told.
  static bool is_fresh(const NfsDirectory::Batch& batch) {
    return Clock::now() - batch.asked_at < std::chrono::milliseconds(100);
  }
  void open_by_asking(TicketPointer ticket, const FileHandle& handle,
                      std::shared_ptr<DirectoryNews> news, Answer<std::unique_ptr<File>> answer);
  static bool answer_opened(const FileHandle& handle, std::shared_ptr<DirectoryNews> news,
                            std::uint64_t device, const Identity& opener,
                            std::shared_ptr<const NfsDirectory::Batch> first,
                            Answer<std::unique_ptr<File>>& answer);
  void note_directories(const NfsDirectory::Batch& batch);
  // walking.cc
  void ask_ahead(const FileHandle& directory, const Identity& who);
  std::shared_ptr<ListingAhead> take_ahead(const FileHandle& directory, const Identity& who);
  void open_with(const std::shared_ptr<ListingAhead>& ahead, TicketPointer ticket,
                 const FileHandle& handle, Answer<std::unique_ptr<File>> answer);
  void ask_for_entries(TicketPointer ticket, const FileHandle& directory,
                       std::shared_ptr<DirectoryNews> news,
                       std::shared_ptr<NfsDirectory::Batch> batch, std::uint32_t bytes,
                       Answer<std::uint64_t> answer);
  void read_on(std::shared_ptr<Listing> listing);
  bool has_entries(const std::shared_ptr<Listing>& listing,
                   const std::shared_ptr<const NfsDirectory::Batch>& batch);
  bool has_no_entries(const std::shared_ptr<Listing>& listing, const NfsDirectory::Batch& asked,
                      const Error& error);
  // What the name is known to stand for, if the file has not changed since.
  std::optional<KnownNames::Known> known(const NfsInode& directory, std::string_view name) const;
  bool is_known_absent(const NfsInode& directory, std::string_view name) const;
  // What a listing has told, for whoever removes it.
  void remember(const NfsDirectory& directory, const NfsDirectory::Name& name,
                const NfsDirectory::Batch& batch);

  const volumes::NfsOptions options_;
  const std::uint64_t server_;  // tells servers apart in Attributes::device
  const ReportIncident report_;
  RememberedInodes* remembered_ = nullptr;
  Export export_;
  std::shared_ptr<Session> session_;         // between start() and stop()
  std::unique_ptr<Remount> remount_;         // the same
  Guarded<std::weak_ptr<Session>> watched_;  // the same, for silence()
  std::shared_ptr<HiddenNames> hidden_names_ = std::make_shared<HiddenNames>();
  std::shared_ptr<OpenFiles> open_files_ = std::make_shared<OpenFiles>();
  const std::shared_ptr<Accounting> accounting_;   // null: nothing is accounted
  std::unique_ptr<UsageCount> usage_;              // as session_, where something is
  std::shared_ptr<WrittenVolume> written_volume_;  // as session_
  WrittenFiles written_files_;
  std::shared_ptr<FilesAhead> files_ahead_;  // since start()
  LocalLocks locks_;
  RecentChanges recent_changes_;
  KnownNames known_names_{options_.names_believed};  // where nobody else changes names
  NextDirectories next_directories_;                 // the same
  ListingsAhead listings_ahead_;
  // What a directory's attributes are known from may not be older.
  std::atomic<Clock::time_point> moved_at_{};
  std::atomic<bool> keeps_moved_handles_{false};  // seen of this server: files need no following

  RootProbe probe_;
};

}  // namespace claimfs::backends::nfs
