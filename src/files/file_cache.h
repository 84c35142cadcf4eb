// FileCache: files that were asked for lately, by path: small ones with their content, large ones open. What
// is in it is compared with the file system at most once a second where it was the same for so long, so that
// a popular small file costs no system call; a state that was only seen for a shorter time is served without
// another look for no longer than that. What has to wait for a disk is read by a FileReader, once however
// many ask. One a worker.
#pragma once

#include "files/cached_file.h"
#include "files/file_loader.h"
#include "files/served_folder.h"
#include "net/file_reader.h"

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <variant>

namespace sallyport::files {

struct FileCacheLimits {
  std::size_t entries = 1024;
  std::size_t content = 16 * 1024 * 1024;  ///< bytes of content in all
  std::size_t open_files = 256;
  std::size_t key = 512;  ///< bytes; longer paths are not kept
  Duration fresh_for = 1s;
};

class FileCache {
 public:
  /// `reader` is not owned; null: the caller's thread waits for the disk.
  FileCache(std::shared_ptr<const ServedFolder> folder, const FileCacheLimits& limits,
            const LoadOptions& load_options, net::FileReader* reader);
  /// From now on files are those of `folder`. What is being read still comes from the one before.
  void set_folder(std::shared_ptr<const ServedFolder> folder, EtagParts etag);

  /// Who waits for a file that is being read.
  class Waiter {
   public:
    /// Once, in a later turn, unless leave() comes first.
    virtual void on_loaded(const LoadedFile& file) = 0;

   protected:
    ~Waiter() = default;
  };
  class Load;

  /// A Load: it is being read; wait() for it.
  using Found = std::variant<std::shared_ptr<CachedFile>, MissingFile, Load*>;
  /// `path` as in http::Request. Its query does not matter, nor how it is spelled.
  Found find(std::string_view path, Time now);
  static void wait(Load& load, Waiter& waiter);
  /// `load` still goes on.
  static void leave(Load& load, Waiter& waiter);

  std::size_t size() const { return entries_.size(); }
  std::size_t loading() const { return loads_.size() + outdated_.size(); }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<CachedFile> file;
    Time loaded;                ///< no later than it was read
    std::optional<Time> since;  ///< whenever it was looked at from here on, it was the same
    Time checked;               ///< it was looked at last
  };
  using Entries = std::list<Entry>;

  std::shared_ptr<CachedFile> look_up(std::string_view key, Time now);
  /// Whether what the entry holds may be sent. Nothing where one would have to wait for the disk to know.
  std::optional<bool> is_good(Entry& entry, Time now) const;
  /// Compares with the disk.
  std::optional<bool> is_current(const CachedFile& file) const;
  Load* start(RequestPath path, std::string key, Time now);
  void finish(Load& load, const LoadedFile& file);
  void insert(Entry entry);
  void forget(std::string_view key);
  void erase(Entries::iterator entry);

  std::shared_ptr<const ServedFolder> folder_;
  const FileCacheLimits limits_;
  LoadOptions load_options_;
  net::FileReader* const reader_;
  Entries entries_;                                                    // latest used first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;     // keys lie in the entries
  std::unordered_map<std::string_view, std::unique_ptr<Load>> loads_;  // keys lie in the loads
  std::list<std::unique_ptr<Load>> outdated_;                          // of a folder that was served before
  std::size_t content_bytes_ = 0;
  std::size_t open_files_ = 0;
};

/// A file that is being read; gone when its waiters were told.
class FileCache::Load {
 public:
  Load(std::string load_key, Time now) : key(std::move(load_key)), since(now) {}

 private:
  friend class FileCache;
  const std::string key;
  const Time since;
  std::unordered_set<Waiter*> waiters;
  std::unique_ptr<net::Reading> reading;
};

}  // namespace sallyport::files
