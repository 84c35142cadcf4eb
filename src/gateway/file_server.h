// FileServer: answers GET, HEAD and OPTIONS from a folder: types, validators, conditional requests, ranges,
// redirects and listings of folders (RFC 9110 §8, §13, §14). One a worker.
#pragma once

#include "gateway/file_cache.h"
#include "gateway/file_transfer.h"
#include "gateway/replies.h"

#include <cstddef>
#include <memory>

namespace sallyport::gateway {

struct FileServerOptions {
  FileCacheLimits cache;
  /// Bytes read from files that wait for slow peers; above it requests for large files get 503.
  std::size_t max_queued = 512 * 1024 * 1024;
};

class FileServer {
 public:
  FileServer(std::shared_ptr<const ServedFolder> folder, Replies& replies,
             const FileServerOptions& options = {});
  void serve(const Incoming& in);
  const TransferCounters& transfers() const { return counters_; }
  std::size_t cached() const { return cache_.size(); }

 private:
  void answer_missing(const Incoming& in, const FileCache::Missing& missing);
  void send_whole(const Incoming& in, std::shared_ptr<CachedFile> file);
  void send_ranges(const Incoming& in, std::shared_ptr<CachedFile> file, std::vector<ByteRange> ranges);
  void transfer(const Incoming& in, const http::Response& head, std::shared_ptr<CachedFile> file,
                std::vector<TransferPiece> pieces);

  Replies& replies_;
  const FileServerOptions options_;
  FileCache cache_;
  TransferCounters counters_;
  FileTransfers transfers_;
};

}  // namespace sallyport::gateway
