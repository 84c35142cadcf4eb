#include "gateway/file_cache.h"

#include "gateway/folder_page.h"
#include "gateway/media_type.h"
#include "gateway/request_path.h"
#include "http/connection.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace sallyport::gateway {
namespace {

/// What a client is told of an errno. 404 rather than 403 for what leads outside: it is none of the client's
/// business.
unsigned status_for(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return 403;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return 503;
    case EIO:
    case EAGAIN:
      return 500;
    default:
      return 404;
  }
}

/// False when the file holds less than `out` asks for, or cannot be read.
bool read_all(int fd, MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto count = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(done));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    done += static_cast<std::size_t>(count);
  }
  return true;
}

std::int64_t whole_seconds(std::int64_t nanoseconds) {
  return nanoseconds / 1'000'000'000 - (nanoseconds % 1'000'000'000 < 0 ? 1 : 0);
}

std::string make_etag(const FileIdentity& identity) {
  return fmt::format("\"{:x}-{:x}-{:x}\"", identity.inode, identity.size,
                     static_cast<std::uint64_t>(identity.modified_ns));
}

}  // namespace

void CachedFile::add_metadata(http::Fields& fields) const {
  if (generated) return fields.add("cache-control", "no-cache");
  fields.add("last-modified", last_modified);
  fields.add("etag", validators.etag);
  fields.add("accept-ranges", "bytes");
}

const http::Response& CachedFile::ok_head(Replies& replies, const Incoming& in) {
  auto& clock = replies.clock();
  clock.text(in.exchange.connection().timers().now());
  auto found = std::ranges::find(prepared_, in.alt_svc.data(), &Prepared::alt_svc);
  if (found != prepared_.end() && found->tick == clock.tick()) return found->head;
  if (found == prepared_.end())
    found = prepared_.insert(prepared_.end(), Prepared{.alt_svc = in.alt_svc.data()});
  found->tick = clock.tick();
  found->head = http::Response{};
  auto& fields = found->head.fields;
  fields.add("content-type", type);
  fields.add("content-length", fmt::format_int(size).c_str());
  add_metadata(fields);
  replies.complete(in, found->head);
  return found->head;
}

FileCache::FileCache(std::shared_ptr<const ServedFolder> folder, const FileCacheLimits& limits)
    : folder_(std::move(folder)), limits_(limits) {}

std::expected<std::shared_ptr<CachedFile>, FileCache::Missing> FileCache::find(std::string_view path,
                                                                               Time now) {
  if (const auto found = by_path_.find(path); found != by_path_.end()) {
    const auto entry = found->second;
    const bool fresh = now - entry->checked < limits_.fresh_for;
    if (fresh || is_current(*entry->file)) {
      if (!fresh) entry->checked = now;
      entries_.splice(entries_.begin(), entries_, entry);
      return entry->file;
    }
    erase(entry);
  }
  auto opened = open(path);
  if (opened) insert(path, *opened, now);
  return opened;
}

bool FileCache::is_current(const CachedFile& file) const {
  // A folder's page is always made again: the sizes on it change without the folder changing.
  FileIdentity now;
  return !file.generated && folder_->identify(file.relative, now) && now == file.identity;
}

std::expected<std::shared_ptr<CachedFile>, FileCache::Missing> FileCache::open(std::string_view path) {
  auto parsed = parse_request_path(path);
  if (!parsed) return std::unexpected(Missing{parsed.error() == PathFault::malformed ? 400u : 404u, {}});
  auto opened = folder_->open_file(parsed->relative);
  if (!opened) return std::unexpected(Missing{status_for(opened.error()), {}});

  if (!opened->identity.folder) {
    if (parsed->folder) return std::unexpected(Missing{});
    return open_regular(std::move(parsed->relative), std::move(*opened));
  }
  if (!parsed->folder)
    return std::unexpected(Missing{301, "/" + encode_path(parsed->relative) + "/" + parsed->query});
  auto index = parsed->relative + (parsed->relative.empty() ? "index.html" : "/index.html");
  if (auto page = folder_->open_file(index); page && !page->identity.folder)
    return open_regular(std::move(index), std::move(*page));
  return make_page(parsed->relative, std::move(*opened));
}

std::expected<std::shared_ptr<CachedFile>, FileCache::Missing> FileCache::open_regular(std::string relative,
                                                                                       OpenedFile opened) {
  auto file = std::make_shared<CachedFile>();
  file->type = media_type(relative);
  file->relative = std::move(relative);
  file->identity = opened.identity;
  file->size = opened.identity.size;
  file->validators = {make_etag(opened.identity), whole_seconds(opened.identity.modified_ns)};
  file->last_modified = format_http_date(file->validators.modified);
  if (file->size <= limits_.small_file) {
    file->in_memory = true;
    if (file->size > 0) file->content = Chunk::allocate(file->size);
    // Cut since it was opened: the next request finds its new state.
    if (file->size > 0 && !read_all(opened.fd.get(), file->content.mutable_bytes()))
      return std::unexpected(Missing{503, {}});
  } else {
    ::posix_fadvise(opened.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    file->fd = std::move(opened.fd);
  }
  return file;
}

std::expected<std::shared_ptr<CachedFile>, FileCache::Missing> FileCache::make_page(
    const std::string& relative, OpenedFile opened) {
  auto page = make_folder_page(std::move(opened.fd), relative);
  if (!page) return std::unexpected(Missing{500, {}});
  auto file = std::make_shared<CachedFile>();
  file->relative = relative;
  file->identity = opened.identity;
  file->size = page->size();
  file->in_memory = true;
  file->content = Chunk::copy_of(as_bytes(*page));
  file->generated = true;
  file->type = "text/html; charset=utf-8";
  return file;
}

void FileCache::insert(std::string_view path, std::shared_ptr<CachedFile> file, Time now) {
  if (path.size() > limits_.key) return;
  content_bytes_ += file->content.size();
  open_files_ += file->fd ? 1 : 0;
  entries_.push_front({std::string(path), std::move(file), now});
  by_path_.emplace(entries_.front().path, entries_.begin());
  while (entries_.size() > limits_.entries || content_bytes_ > limits_.content ||
         open_files_ > limits_.open_files)
    erase(std::prev(entries_.end()));
}

void FileCache::erase(Entries::iterator entry) {
  content_bytes_ -= entry->file->content.size();
  open_files_ -= entry->file->fd ? 1 : 0;
  by_path_.erase(entry->path);
  entries_.erase(entry);
}

}  // namespace sallyport::gateway
