// FileTransfer: sends a file too large for memory, or ranges of it, at the peer's rate. Reads a pooled Chunk
// at a time: from the page cache on this thread, from the disk on another thread; or takes one that another
// transfer of the file has read and still holds.
#pragma once

#include "files/block_cache.h"
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

/// A part of the body: `head` as text, then `range` of the file.
struct TransferPiece {
  std::string head;
  ByteRange range;
};

/// Sums over the transfers of a worker.
struct TransferCounters {
  std::size_t open = 0;
  std::size_t queued_bytes = 0;  ///< read from files and queued for peers, as of each transfer's last update
  std::uint64_t cut = 0;         ///< reset because the file changed or could not be read
};

class FileTransfer;

/// Shared by the transfers of a worker.
struct FileTransfers {
  http::Replies& replies;
  net::FileReader* reader;  ///< null: the caller's thread waits for the disk
  TransferCounters counters;
  BlockCache blocks;
  std::list<FileTransfer> open;
};

class FileTransfer final : public http::ExchangeHandler {
 public:
  /// Sends `head`, then `pieces` of `file`. The transfer is stored in `owner` and removes itself when the
  /// exchange ends.
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
  /// Content read together; sent if the file was unchanged after the read.
  struct Batch {
    struct Block {
      Chunk bytes;
      std::uint64_t at = 0;
    };
    std::array<Chunk, 8> chunks;
    std::array<Block, 8> blocks;  // that others may take as well
    std::size_t count = 0, block_count = 0, bytes = 0;
    Chunk last;  // the last chunk of file content, and its offset
    std::uint64_t last_at = 0;

    void add(Chunk chunk) {
      bytes += chunk.size();
      chunks[count++] = std::move(chunk);
    }
  };

  enum class Outcome : std::uint8_t {
    read,
    waits,   ///< further content is not in the page cache
    failed,  ///< the file is shorter than promised, or cannot be read
  };
  /// A read on another thread.
  struct Elsewhere;

  void fill(http::Exchange& exchange);
  /// Adds at least one chunk and about `wanted` bytes, if available, in chunks of at most `piece`.
  Outcome read_some(Batch& batch, std::size_t wanted, std::size_t piece);
  /// The next chunk of the current piece, of at most `most` bytes, which are not 0.
  std::expected<Chunk, int> next_chunk(Batch& batch, std::size_t most) const;
  /// Whether the blocks of the file may be shared.
  bool shares() const { return file_->settled && seen_ == file_->identity; }
  /// EAGAIN where it would wait for the disk and another thread can.
  std::expected<std::size_t, int> read_here(MutableBytes out, std::uint64_t at) const;
  /// The chunk read at the current piece's offset.
  void take(Batch& batch, Chunk chunk);
  void read_elsewhere(http::Exchange& exchange);
  void on_read(http::Exchange& exchange, Elsewhere& read);
  void send(http::Exchange& exchange, Batch& batch);
  void account(const http::Exchange& exchange);
  void cut(http::Exchange& exchange);
  /// Whether a file in state `now` still has the content promised in the header section.
  bool is_as_promised(const std::optional<FileIdentity>& now);
  /// Nullopt where it is no longer in memory and checking would wait for the disk.
  std::optional<bool> holds_what_was_sent() const;

  FileTransfers& owner_;
  std::list<FileTransfer>::iterator self_;
  const std::shared_ptr<const CachedFile> file_;
  std::vector<TransferPiece> pieces_;
  std::unique_ptr<net::Reading> reading_;
  FileIdentity seen_;  // the file's last state that had the promised content
  Chunk sent_;         // the last chunk read (also queued in the exchange), and its offset
  std::uint64_t sent_at_ = 0;
  std::size_t at_ = 0;      // the piece being sent
  std::size_t queued_ = 0;  // our share of counters_.queued_bytes
  bool ended_ = false;
};

}  // namespace sallyport::files
