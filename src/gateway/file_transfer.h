// FileTransfer: sends a file too large to be kept in memory, or ranges of it, as the peer takes it. Reads a
// pooled Chunk at a time.
#pragma once

#include "gateway/byte_ranges.h"
#include "gateway/file_cache.h"
#include "http/exchange.h"

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::gateway {

/// What is sent, one after the other: `head` as text, then `range` of the file.
struct TransferPiece {
  std::string head;
  ByteRange range;
};

/// What the transfers of a worker add up to.
struct TransferCounters {
  std::size_t open = 0;
  std::size_t queued_bytes =
      0;                  ///< read from files and waiting for their peers, as of each transfer's last move
  std::uint64_t cut = 0;  ///< reset because the file changed or could not be read
};

class FileTransfer;
using FileTransfers = std::list<FileTransfer>;

class FileTransfer final : public http::ExchangeHandler {
 public:
  /// Sends `head`, then `pieces` of `file` by and by. The transfer lies in `owner` and takes itself out when
  /// the exchange ends.
  static void start(FileTransfers& owner, http::Exchange& exchange, const http::Response& head,
                    std::shared_ptr<const CachedFile> file, std::vector<TransferPiece> pieces,
                    Replies& replies, TransferCounters& counters);
  /// For std::list, through start() only.
  FileTransfer(FileTransfers& owner, std::shared_ptr<const CachedFile> file,
               std::vector<TransferPiece> pieces, Replies& replies, TransferCounters& counters);
  ~FileTransfer();

  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_end(http::Exchange&) override {}
  void on_writable(http::Exchange& exchange) override { fill(exchange); }
  void on_closed(http::Exchange& exchange, const Error* why) override;

 private:
  void fill(http::Exchange& exchange);
  bool send_some(http::Exchange& exchange, std::size_t room);
  /// Whether what was promised in the head is still what the file holds.
  bool is_unchanged() const;

  FileTransfers& owner_;
  FileTransfers::iterator self_;
  const std::shared_ptr<const CachedFile> file_;
  std::vector<TransferPiece> pieces_;
  Replies& replies_;
  TransferCounters& counters_;
  std::size_t at_ = 0;      // the piece being sent
  std::size_t queued_ = 0;  // our share of counters_.queued_bytes
  bool ended_ = false;
};

}  // namespace sallyport::gateway
