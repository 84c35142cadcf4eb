// FileCache: files that were asked for lately, by request path: small ones with their content, large ones
// open. What is in it is compared with the file system at most once a second, so that a popular small file
// costs no system call. One a worker.
#pragma once

#include "base/chunk.h"
#include "gateway/preconditions.h"
#include "gateway/replies.h"
#include "gateway/served_folder.h"
#include "http/message.h"

#include <cstdint>
#include <expected>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sallyport::gateway {

/// One state of one file (or of a folder's page). Lives on in the responses that send it when the cache
/// forgets it.
class CachedFile {
 public:
  std::string relative;  ///< what was opened: with index.html, where that was found
  FileIdentity identity;
  std::uint64_t size = 0;
  bool in_memory = false;
  Chunk content;           ///< in_memory: all of it
  UniqueFd fd;             ///< otherwise
  bool generated = false;  ///< a folder's page: it has no validators and no ranges
  Validators validators;
  std::string last_modified;
  std::string_view type;

  /// The head of a 200 with all fields, made again when the Date changes.
  const http::Response& ok_head(Replies& replies, const Incoming& in);
  /// Adds what a 200, 206 and 304 have in common: validators and Accept-Ranges.
  void add_metadata(http::Fields& fields) const;

 private:
  struct Prepared {
    const char* alt_svc = nullptr;  // listeners are told apart by where their text lies
    std::uint64_t tick = 0;
    http::Response head;
  };
  std::vector<Prepared> prepared_;  // one for each listener and version family that asked
};

struct FileCacheLimits {
  std::size_t small_file = Chunk::pooled_size;  ///< bytes up to which content is kept
  std::size_t entries = 1024;
  std::size_t content = 16 * 1024 * 1024;  ///< bytes of content in all
  std::size_t open_files = 256;
  std::size_t key = 512;  ///< bytes; longer request paths are not kept
  Duration fresh_for = 1s;
};

class FileCache {
 public:
  FileCache(std::shared_ptr<const ServedFolder> folder, const FileCacheLimits& limits);

  struct Missing {
    unsigned status = 404;
    std::string redirect;  ///< 301: the folder's path with its slash, percent-encoded, with the query
  };
  /// `path` as in http::Request.
  std::expected<std::shared_ptr<CachedFile>, Missing> find(std::string_view path, Time now);

  std::size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    std::string path;
    std::shared_ptr<CachedFile> file;
    Time checked{};
  };
  using Entries = std::list<Entry>;

  std::expected<std::shared_ptr<CachedFile>, Missing> open(std::string_view path);
  std::expected<std::shared_ptr<CachedFile>, Missing> open_regular(std::string relative, OpenedFile opened);
  std::expected<std::shared_ptr<CachedFile>, Missing> make_page(const std::string& relative,
                                                                OpenedFile opened);
  bool is_current(const CachedFile& file) const;
  void insert(std::string_view path, std::shared_ptr<CachedFile> file, Time now);
  void erase(Entries::iterator entry);

  const std::shared_ptr<const ServedFolder> folder_;
  const FileCacheLimits limits_;
  Entries entries_;                                                  // latest used first
  std::unordered_map<std::string_view, Entries::iterator> by_path_;  // keys lie in the entries
  std::size_t content_bytes_ = 0;
  std::size_t open_files_ = 0;
};

}  // namespace sallyport::gateway
