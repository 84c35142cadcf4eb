#include "files/file_cache.h"

#include "files/request_path.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <sys/stat.h>

namespace sallyport::files {
namespace {

/// All spellings of a path have one key. A path without percent-encoding, empty segments and a query is its
/// own key.
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
                     const LoadOptions& load_options, net::FileReader* reader)
    : folder_(std::move(folder)), limits_(limits), load_options_(load_options), reader_(reader) {}

void FileCache::set_folder(std::shared_ptr<const ServedFolder> folder, EtagParts etag) {
  folder_ = std::move(folder);
  load_options_.etag = etag;
  while (!entries_.empty()) erase(entries_.begin());
  for (auto& [key, load] : loads_) outdated_.push_back(std::move(load));
  loads_.clear();
}

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
  auto loaded = load_file(*folder_, *parsed, load_options_, reader_);
  if (!loaded && reader_->is_busy()) return MissingFile{.status = 503};
  if (!loaded) return start(std::move(*parsed), std::move(key), now);
  if (!*loaded) {
    forget(key);
    return std::move(loaded->error());
  }
  insert({.key = std::move(key), .file = **loaded, .loaded = now, .since = now, .checked = now});
  return std::move(**loaded);
}

std::shared_ptr<CachedFile> FileCache::look_up(std::string_view key, Time now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const auto entry = found->second;
  const auto good = is_good(*entry, now);
  // An entry that may be outdated stays until it is read again, for the comparison in insert().
  if (good == false) erase(entry);
  if (good != true) return nullptr;
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->file;
}

std::optional<bool> FileCache::is_good(Entry& entry, Time now) const {
  CachedFile& file = *entry.file;
  // The sizes on a folder's page change without the folder changing.
  if (file.generated && now - entry.loaded >= limits_.fresh_for) return false;
  // A state that existed only briefly, such as the empty file during an overwrite, is served only briefly.
  const Duration seen_for = entry.since ? entry.checked - *entry.since : Duration::zero();
  if (now - entry.checked < std::min(limits_.fresh_for, seen_for)) {
    // The content of an open file may change at any time; the check is cheap compared with the transfer.
    return !file.on_disk || !file.on_disk->is_local() || holds(*file.on_disk, file.identity);
  }
  if (const auto current = is_current(file); current != true) return current;
  file.seen_at(load_options_.now());
  if (!entry.since) entry.since = now;
  entry.checked = now;
  return true;
}

std::optional<bool> FileCache::is_current(const CachedFile& file) const {
  if (!file.settled) return false;
  const auto now = folder_->identify(file.relative, reader_ == nullptr ? MayWait::yes : MayWait::no);
  if (!now && now.error() == EAGAIN && reader_ != nullptr) return std::nullopt;
  return now && *now == file.identity;
}

FileCache::Load* FileCache::start(RequestPath path, std::string key, Time now) {
  auto load = std::make_unique<Load>(std::move(key), now);
  auto outcome = std::make_shared<std::optional<LoadedFile>>();
  load->reading = reader_->run([folder = folder_, path = std::move(path), options = load_options_,
                                outcome] { *outcome = load_file(*folder, path, options, nullptr); },
                               [this, raw = load.get(), outcome] { finish(*raw, **outcome); });
  Load* const started = load.get();
  loads_.emplace(started->key, std::move(load));
  return started;
}

void FileCache::finish(Load& load, const LoadedFile& file) {
  std::unique_ptr<Load> ended;
  if (const auto found = loads_.find(load.key); found != loads_.end() && found->second.get() == &load) {
    ended = std::move(found->second);
    loads_.erase(found);
    // The file was read at some time after the load's start.
    if (file)
      insert({.key = load.key, .file = *file, .loaded = load.since, .since = {}, .checked = load.since});
    else
      forget(load.key);
  } else {
    const auto outdated =
        std::ranges::find_if(outdated_, [&](const auto& one) { return one.get() == &load; });
    ended = std::move(*outdated);
    outdated_.erase(outdated);
  }
  for (Waiter* const waiter : load.waiters) waiter->on_loaded(file);
}

void FileCache::wait(Load& load, Waiter& waiter) {
  load.waiters.insert(&waiter);
}

void FileCache::leave(Load& load, Waiter& waiter) {
  load.waiters.erase(&waiter);
}

void FileCache::insert(Entry entry) {
  if (entry.key.size() > limits_.key) return;
  if (const auto found = by_key_.find(entry.key); found != by_key_.end()) {
    const Entry& old = *found->second;
    if (old.file->settled && old.file->identity == entry.file->identity)
      entry.since = old.since.value_or(entry.checked);
    erase(found->second);
  }
  content_bytes_ += entry.file->content.size();
  open_files_ += entry.file->on_disk ? 1 : 0;
  entries_.push_front(std::move(entry));
  by_key_.emplace(entries_.front().key, entries_.begin());
  while (entries_.size() > limits_.entries || content_bytes_ > limits_.content ||
         open_files_ > limits_.open_files)
    erase(std::prev(entries_.end()));
}

void FileCache::forget(std::string_view key) {
  if (const auto found = by_key_.find(key); found != by_key_.end()) erase(found->second);
}

void FileCache::erase(Entries::iterator entry) {
  content_bytes_ -= entry->file->content.size();
  open_files_ -= entry->file->on_disk ? 1 : 0;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

}  // namespace sallyport::files
