#include "files/file_transfer.h"

#include <algorithm>
#include <span>
#include <utility>

#include <sys/stat.h>

namespace sallyport::files {
namespace {

/// Whether mtime is unchanged: nothing was written, or the old date was restored.
bool has_same_date(const FileIdentity& now, const FileIdentity& before) {
  return now.size == before.size && now.modified == before.modified;
}

/// Whether a change other than a write occurred: of the number of links (as by a replacement), mode or owner.
bool has_other_attributes(const FileIdentity& now, const FileIdentity& before) {
  return now.links != before.links || now.mode != before.mode || now.owner != before.owner ||
         now.group != before.group;
}

/// Maximum bytes read in one fill. An exchange that discards its body never reaches its high-water mark;
/// without this limit the worker would read to the end of the file.
constexpr std::size_t most_a_fill = http::Exchange::high_water + Chunk::pooled_size;

constexpr std::size_t blocks_of_a_transfer = 64;

std::optional<FileIdentity> state_of(const net::ReadableFile& file) {
  struct stat status{};
  if (::fstat(file.fd(), &status) != 0) return std::nullopt;
  return FileIdentity(status);
}

}  // namespace

struct FileTransfer::Elsewhere {
  std::shared_ptr<const net::ReadableFile> file;
  std::uint64_t at = 0;
  Chunk chunk;
  std::expected<std::size_t, int> count;
  std::optional<FileIdentity> now;
};

void FileTransfer::start(FileTransfers& owner, http::Exchange& exchange, const http::Response& head,
                         std::shared_ptr<const CachedFile> file, std::vector<TransferPiece> pieces) {
  const auto self = owner.open.emplace(owner.open.end(), owner, std::move(file), std::move(pieces));
  self->self_ = self;
  exchange.set_handler(&*self);
  exchange.respond(head);
  http::decline_body(exchange);
  self->fill(exchange);
}

FileTransfer::FileTransfer(FileTransfers& owner, std::shared_ptr<const CachedFile> file,
                           std::vector<TransferPiece> pieces)
    : owner_(owner), file_(std::move(file)), pieces_(std::move(pieces)), seen_(file_->identity) {
  ++owner_.counters.open;
}

FileTransfer::~FileTransfer() {
  --owner_.counters.open;
  owner_.counters.queued_bytes -= queued_;
  sent_ = Chunk();
  // What it held alone goes with it, about. The exchange, which ends later, may hold some yet.
  if (owner_.counters.open > 0)
    owner_.blocks.sweep(blocks_of_a_transfer);
  else
    owner_.blocks.clear();
}

void FileTransfer::on_body(http::Exchange& exchange, Bytes body) {
  http::answered().on_body(exchange, body);
}

void FileTransfer::on_closed(http::Exchange&, const Error*) {
  owner_.open.erase(self_);
}

void FileTransfer::fill(http::Exchange& exchange) {
  if (ended_ || reading_) return;
  std::size_t left = most_a_fill;
  while (at_ < pieces_.size() && exchange.can_write()) {
    const auto piece = exchange.room();
    if (piece == 0 || left == 0) break;
    const auto ahead = exchange.write_ahead();
    const auto queued = std::min(exchange.queued_bytes(), ahead);
    const auto wanted = piece < Chunk::pooled_size ? piece : ahead - queued + 1;
    Batch batch;
    const auto outcome = read_some(batch, std::min(left, wanted), piece);
    // Checked after the read: content read before the file changed is as promised.
    const bool good =
        outcome != Outcome::failed && (batch.last.empty() || is_as_promised(state_of(*file_->on_disk)));
    if (!good) return cut(exchange);
    left -= std::min(left, batch.bytes);
    send(exchange, batch);
    if (outcome == Outcome::waits) {
      read_elsewhere(exchange);
      break;
    }
  }
  account(exchange);
  if (at_ == pieces_.size()) {
    ended_ = true;
    sent_ = {};
    exchange.finish();
  }
}

FileTransfer::Outcome FileTransfer::read_some(Batch& batch, std::size_t wanted, std::size_t piece) {
  while (batch.count < batch.chunks.size() && batch.bytes < wanted && at_ < pieces_.size()) {
    auto& [head, range] = pieces_[at_];
    if (!head.empty()) {
      batch.add(Chunk::copy_of(as_bytes(head)));
      head.clear();
    } else if (range.size > 0) {
      auto chunk = next_chunk(batch, std::min<std::uint64_t>(range.size, piece));
      if (!chunk && chunk.error() == EAGAIN && owner_.reader != nullptr) return Outcome::waits;
      if (!chunk || chunk->empty()) return Outcome::failed;
      take(batch, std::move(*chunk));
    }
    if (head.empty() && range.size == 0) ++at_;
  }
  return Outcome::read;
}

std::expected<Chunk, int> FileTransfer::next_chunk(Batch& batch, std::size_t most) const {
  const std::uint64_t first = pieces_[at_].range.first;
  const std::uint64_t at = first - first % BlockCache::block_size;
  const std::uint64_t before = first - at;
  Chunk block = shares() ? owner_.blocks.find(seen_, at) : Chunk();
  // A whole block is read where most of it is wanted, and none for a transfer that is to hold little.
  const bool wants_block =
      most == BlockCache::block_size || (before == 0 && most >= BlockCache::block_size / 2);
  if (block.empty() && shares() && wants_block) {
    block = Chunk::allocate(std::min<std::uint64_t>(BlockCache::block_size, seen_.size - at));
    const auto count = read_here(block.mutable_bytes(), at);
    if (!count) return std::unexpected(count.error());
    block.truncate(*count);
    batch.blocks[batch.block_count++] = {block, at};
  }
  if (block.size() > before) {
    block.remove_prefix(before);
    block.truncate(std::min(most, block.size()));
    return block;
  }
  auto chunk = Chunk::allocate(most);
  const auto count = read_here(chunk.mutable_bytes(), first);
  if (!count) return std::unexpected(count.error());
  chunk.truncate(*count);
  return chunk;
}

std::expected<std::size_t, int> FileTransfer::read_here(MutableBytes out, std::uint64_t at) const {
  return owner_.reader != nullptr ? owner_.reader->read_now(*file_->on_disk, out, at)
                                  : file_->on_disk->read(out, at);
}

void FileTransfer::take(Batch& batch, Chunk chunk) {
  auto& range = pieces_[at_].range;
  batch.last = chunk;
  batch.last_at = range.first;
  range.first += chunk.size(), range.size -= chunk.size();
  batch.add(std::move(chunk));
}

void FileTransfer::read_elsewhere(http::Exchange& exchange) {
  const auto& range = pieces_[at_].range;
  auto read = std::make_shared<Elsewhere>();
  read->file = file_->on_disk;
  read->at = range.first;
  read->chunk = Chunk::allocate(std::min<std::uint64_t>(range.size, Chunk::pooled_size));
  reading_ = owner_.reader->run(
      [read] {
        read->count = read->file->read(read->chunk.mutable_bytes(), read->at);
        read->now = state_of(*read->file);
      },
      [this, &exchange, read] { on_read(exchange, *read); });
}

void FileTransfer::on_read(http::Exchange& exchange, Elsewhere& read) {
  reading_.reset();
  if (ended_ || !exchange.can_write()) return;
  if (!read.count || *read.count == 0 || !is_as_promised(read.now)) return cut(exchange);
  read.chunk.truncate(*read.count);
  Batch batch;
  take(batch, std::move(read.chunk));
  if (pieces_[at_].range.size == 0) ++at_;
  send(exchange, batch);
  fill(exchange);
}

void FileTransfer::send(http::Exchange& exchange, Batch& batch) {
  if (shares())
    for (const auto& [bytes, at] : std::span(batch.blocks).first(batch.block_count))
      owner_.blocks.keep(seen_, at, bytes);
  for (std::size_t i = 0; i < batch.count; ++i) {
    owner_.replies.count_body(exchange.version(), batch.chunks[i].size());
    exchange.write(std::move(batch.chunks[i]));
  }
  if (batch.last.empty()) return;
  sent_ = std::move(batch.last);
  sent_at_ = batch.last_at;
}

void FileTransfer::account(const http::Exchange& exchange) {
  const auto queued = exchange.queued_bytes();
  owner_.counters.queued_bytes += queued - queued_;
  queued_ = queued;
}

void FileTransfer::cut(http::Exchange& exchange) {
  ended_ = true;
  ++owner_.counters.cut;
  exchange.reset(http::ResetCode::internal_error);
}

bool FileTransfer::is_as_promised(const std::optional<FileIdentity>& now) {
  if (!now) return false;
  if (*now == seen_) return true;
  // A longer file is accepted (appended to), and so is the same length and date (replaced by name, or moved).
  // A file overwritten by longer content, or with its old date restored, looks the same, so the last chunk is
  // read again and compared.
  if (now->size <= seen_.size) {
    if (!has_same_date(*now, seen_)) return false;
    if (sent_.empty() && !has_other_attributes(*now, seen_)) return false;
  }
  const auto holds = holds_what_was_sent();
  if (holds == true) seen_ = *now;
  return holds != false;
}

std::optional<bool> FileTransfer::holds_what_was_sent() const {
  if (sent_.empty()) return true;
  auto now = Chunk::allocate(sent_.size());
  const auto count = read_here(now.mutable_bytes(), sent_at_);
  if (!count && count.error() == EAGAIN) return std::nullopt;
  return count == now.size() && std::ranges::equal(now.bytes(), sent_.bytes());
}

}  // namespace sallyport::files
