// FileServer: answers GET, HEAD and OPTIONS from a folder: types, validators, conditional requests, ranges,
// redirects and listings of folders (RFC 9110 §8, §13, §14). One a worker.
#pragma once

#include "files/file_cache.h"
#include "files/file_transfer.h"
#include "http/replies.h"

#include <cstddef>
#include <list>
#include <memory>
#include <utility>

namespace sallyport::files {

struct FileServerOptions {
  FileCacheLimits cache;
  LoadOptions load;
  /// Limit of bytes read from files and queued for slow peers; above it requests for large files get 503.
  std::size_t max_queued = 512 * 1024 * 1024;
  /// For reads that wait for a disk. Not owned; null: the caller's thread waits.
  net::FileReader* reader = nullptr;
};

class FileServer final : public http::Content {
 public:
  FileServer(std::shared_ptr<const ServedFolder> folder, http::Replies& replies,
             const FileServerOptions& options = {});
  ~FileServer() override;
  void serve(const http::Incoming& in) override;
  /// Serves `folder`, with such entity tags, from now on; transfers in progress continue.
  void set_folder(std::shared_ptr<const ServedFolder> folder, EtagParts etag) {
    cache_.set_folder(std::move(folder), etag);
  }
  const TransferCounters& transfers() const { return transfers_.counters; }
  std::size_t cached() const { return cache_.size(); }
  /// Files and folders that are being read on other threads.
  std::size_t loading() const { return cache_.loading(); }
  /// Requests refused with 503 for lack of descriptors or memory.
  std::uint64_t shortages() const { return shortages_; }

 private:
  class Waiting;

  void answer(const http::Incoming& in, std::shared_ptr<CachedFile> file);
  void answer_missing(const http::Incoming& in, const MissingFile& missing);
  void note_shortage();
  void send_whole(const http::Incoming& in, std::shared_ptr<CachedFile> file);
  void send_ranges(const http::Incoming& in, std::shared_ptr<CachedFile> file, std::vector<ByteRange> ranges);
  void transfer(const http::Incoming& in, const http::Response& head, std::shared_ptr<CachedFile> file,
                std::vector<TransferPiece> pieces);

  http::Replies& replies_;
  const FileServerOptions options_;
  FileCache cache_;
  std::list<Waiting> waiting_;
  FileTransfers transfers_;
  std::uint64_t shortages_ = 0;
};

}  // namespace sallyport::files
