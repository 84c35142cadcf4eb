// FileCache: recently requested files by path: small ones with their content, large ones open. An entry that
// was unchanged for a second is compared with the file system at most once a second, so a popular small file
// costs no system call. A newer state is served without a check for no longer than it has been unchanged.
// Reads that wait for a disk are done by a FileReader, once for all waiting requests. One for each worker.
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
  /// Serves `folder` from now on. Loads in progress still read from the previous folder.
  void set_folder(std::shared_ptr<const ServedFolder> folder, EtagParts etag);

  /// Waits for a file that is being read.
  class Waiter {
   public:
    /// Called once, in a later turn, unless leave() comes first.
    virtual void on_loaded(const LoadedFile& file) = 0;

   protected:
    ~Waiter() = default;
  };
  class Load;

  /// A Load: it is being read; wait() for it.
  using Found = std::variant<std::shared_ptr<CachedFile>, MissingFile, Load*>;
  /// `path` as in http::Request. Its query and percent-encoding do not matter.
  Found find(std::string_view path, Time now);
  static void wait(Load& load, Waiter& waiter);
  /// `load` is still in progress.
  static void leave(Load& load, Waiter& waiter);

  std::size_t size() const { return entries_.size(); }
  std::size_t loading() const { return loads_.size() + outdated_.size(); }

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<CachedFile> file;
    Time loaded;                ///< no later than it was read
    std::optional<Time> since;  ///< unchanged in every check since then
    Time checked;               ///< of the last check
  };
  using Entries = std::list<Entry>;

  std::shared_ptr<CachedFile> look_up(std::string_view key, Time now);
  /// Whether the entry may be sent. Nullopt where checking would have to wait for the disk.
  std::optional<bool> is_good(Entry& entry, Time now) const;
  /// Compares the entry with the disk.
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
  Entries entries_;                                                    // most recently used first
  std::unordered_map<std::string_view, Entries::iterator> by_key_;     // keys lie in the entries
  std::unordered_map<std::string_view, std::unique_ptr<Load>> loads_;  // keys lie in the loads
  std::list<std::unique_ptr<Load>> outdated_;                          // of a previous folder
  std::size_t content_bytes_ = 0;
  std::size_t open_files_ = 0;
};

/// A file that is being read; destroyed after its waiters were called.
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
