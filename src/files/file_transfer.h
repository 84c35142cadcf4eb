// FileTransfer: sends a file too large to be kept in memory, or ranges of it, as the peer takes it. Reads a
// pooled Chunk at a time, what is in memory at once and what is not on another thread.
#pragma once

#include "files/byte_ranges.h"
#include "files/file_cache.h"
#include "http/exchange.h"
#include "net/file_reader.h"

#include <array>
#include <cstdint>
#include <expected>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::files {

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

/// What the transfers of a worker share.
struct FileTransfers {
  http::Replies& replies;
  net::FileReader* reader;  ///< null: the caller's thread waits for the disk
  TransferCounters counters;
  std::list<FileTransfer> open;
};

class FileTransfer final : public http::ExchangeHandler {
 public:
  /// Sends `head`, then `pieces` of `file` by and by. The transfer lies in `owner` and takes itself out when
  /// the exchange ends.
  static void start(FileTransfers& owner, http::Exchange& exchange, const http::Response& head,
                    std::shared_ptr<const CachedFile> file, std::vector<TransferPiece> pieces);
  /// For std::list, through start() only.
  FileTransfer(FileTransfers& owner, std::shared_ptr<const CachedFile> file,
               std::vector<TransferPiece> pieces);
  ~FileTransfer();

  void on_body(http::Exchange& exchange, Bytes body) override;
  void on_end(http::Exchange&) override {}
  void on_writable(http::Exchange& exchange) override { fill(exchange); }
  void on_closed(http::Exchange& exchange, const Error* why) override;

 private:
  /// What is read together, and sent if the file was still the same after it.
  struct Batch {
    std::array<Chunk, 8> chunks;
    std::size_t count = 0, bytes = 0;
    Chunk last;  // the last of them that is of the file, and where it was read
    std::uint64_t last_at = 0;

    void add(Chunk chunk) {
      bytes += chunk.size();
      chunks[count++] = std::move(chunk);
    }
  };

  enum class Outcome : std::uint8_t {
    read,
    waits,   ///< the rest is not in memory
    failed,  ///< the file is shorter than promised, or cannot be read
  };
  /// A read on another thread.
  struct Elsewhere;

  void fill(http::Exchange& exchange);
  /// Adds at least one chunk and about `wanted` bytes, where there are so many, in chunks of at most `piece`.
  Outcome read_some(Batch& batch, std::size_t wanted, std::size_t piece);
  /// EAGAIN where one would have to wait for the disk and another thread can.
  std::expected<std::size_t, int> read_here(MutableBytes out, std::uint64_t at) const;
  /// What was read where the current piece goes on.
  void take(Batch& batch, Chunk chunk);
  void read_elsewhere(http::Exchange& exchange);
  void on_read(http::Exchange& exchange, Elsewhere& read);
  void send(http::Exchange& exchange, Batch& batch);
  void account(const http::Exchange& exchange);
  void cut(http::Exchange& exchange);
  /// Whether a file whose state is `now` still holds what was promised in the head.
  bool is_as_promised(const std::optional<FileIdentity>& now);
  /// Nothing where that is not in memory any more, so that one would have to wait for the disk.
  std::optional<bool> holds_what_was_sent() const;

  FileTransfers& owner_;
  std::list<FileTransfer>::iterator self_;
  const std::shared_ptr<const CachedFile> file_;
  std::vector<TransferPiece> pieces_;
  std::unique_ptr<net::Reading> reading_;
  FileIdentity seen_;  // the file's state when it was looked at last, and held what was promised
  Chunk sent_;         // what was read last, which waits in the exchange anyway, and where
  std::uint64_t sent_at_ = 0;
  std::size_t at_ = 0;      // the piece being sent
  std::size_t queued_ = 0;  // our share of counters_.queued_bytes
  bool ended_ = false;
};

}  // namespace sallyport::files
