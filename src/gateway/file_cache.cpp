#include "gateway/file_cache.h"

#include "gateway/request_path.h"

#include <optional>
#include <utility>

#include <sys/stat.h>

namespace sallyport::gateway {
namespace {

/// One for all spellings of a path. A path without percent-encoding, empty segments and a query is its own
/// key.
std::string key_of(const RequestPath& path) {
  std::string key = "/" + path.relative;
  if (path.folder && !path.relative.empty()) key += '/';
  return key;
}

bool holds(const net::ReadableFile& file, const FileIdentity& identity) {
  struct stat status{};
  return ::fstat(file.fd(), &status) == 0 && FileIdentity(status) == identity;
}

}  // namespace

FileCache::FileCache(std::shared_ptr<const ServedFolder> folder, const FileCacheLimits& limits,
                     net::FileReader* reader)
    : folder_(std::move(folder)), limits_(limits), reader_(reader) {}

FileCache::Found FileCache::find(std::string_view path, Time now) {
  const auto bare = path.substr(0, path.find('?'));
  const bool encoded = bare.contains('%');
  if (!encoded)
    if (auto file = look_up(bare, now)) return file;
  auto parsed = parse_request_path(bare);
  if (!parsed) return MissingFile{.status = parsed.error() == PathFault::malformed ? 400u : 404u};
  auto key = key_of(*parsed);
  if (encoded || key != bare)
    if (auto file = look_up(key, now)) return file;

  if (const auto found = loads_.find(key); found != loads_.end()) return found->second.get();
  auto loaded =
      load_file(*folder_, *parsed, limits_.small_file, reader_ == nullptr ? MayWait::yes : MayWait::no);
  if (!loaded && reader_->is_busy()) return MissingFile{.status = 503};
  if (!loaded) return start(std::move(*parsed), std::move(key), now);
  if (!*loaded) return std::move(loaded->error());
  insert(std::move(key), **loaded, now);
  return std::move(**loaded);
}

std::shared_ptr<CachedFile> FileCache::look_up(std::string_view key, Time now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto entry = found->second;
  const CachedFile& file = *entry->file;
  const bool fresh = now - entry->checked < limits_.fresh_for;
  // The content of an open file may change at any time, and it costs little beside its transfer to see
  // whether it did.
  const bool good = fresh ? !file.on_disk || !file.on_disk->is_local() || holds(*file.on_disk, file.identity)
                          : is_current(file);
  if (!good) {
    erase(entry);
    return nullptr;
  }
  if (!fresh) entry->checked = now;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->file;
}

bool FileCache::is_current(const CachedFile& file) const {
  // A folder's page is always made again: the sizes on it change without the folder changing. So is what was
  // read too soon after it changed.
  if (file.generated || !file.settled) return false;
  const auto now = folder_->identify(file.relative, reader_ == nullptr ? MayWait::yes : MayWait::no);
  return now && *now == file.identity;
}

FileCache::Load* FileCache::start(RequestPath path, std::string key, Time now) {
  auto load = std::make_unique<Load>(std::move(key), now);
  auto outcome = std::make_shared<std::optional<LoadedFile>>();
  load->reading = reader_->run([folder = folder_, path = std::move(path), small_file = limits_.small_file,
                                outcome] { *outcome = load_file(*folder, path, small_file, MayWait::yes); },
                               [this, raw = load.get(), outcome] { finish(*raw, **outcome); });
  Load* const started = load.get();
  loads_.emplace(started->key, std::move(load));
  return started;
}

void FileCache::finish(Load& load, const LoadedFile& file) {
  const auto node = loads_.extract(load.key);
  // As of its start: it was not looked at later than that.
  if (file) insert(load.key, *file, load.since);
  for (Waiter* const waiter : load.waiters) waiter->on_loaded(file);
}

void FileCache::wait(Load& load, Waiter& waiter) {
  load.waiters.insert(&waiter);
}

void FileCache::leave(Load& load, Waiter& waiter) {
  load.waiters.erase(&waiter);
}

void FileCache::insert(std::string key, std::shared_ptr<CachedFile> file, Time now) {
  if (key.size() > limits_.key) return;
  if (const auto old = by_key_.find(key); old != by_key_.end()) erase(old->second);
  content_bytes_ += file->content.size();
  open_files_ += file->on_disk ? 1 : 0;
  entries_.push_front({std::move(key), std::move(file), now});
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > limits_.entries || content_bytes_ > limits_.content ||
         open_files_ > limits_.open_files)
    erase(std::prev(entries_.end()));
}

void FileCache::erase(Entries::iterator entry) {
  content_bytes_ -= entry->file->content.size();
  open_files_ -= entry->file->on_disk ? 1 : 0;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace sallyport::gateway
