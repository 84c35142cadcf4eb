#include "gateway/file_loader.h"

#include "gateway/folder_page.h"
#include "gateway/http_date.h"
#include "gateway/media_type.h"

#include <cerrno>
#include <ctime>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace sallyport::gateway {
namespace {

/// What a client is told of an errno. 404 rather than 403 for what leads outside: it is none of the client's
/// business.
MissingFile missing_for(int error) {
  switch (error) {
    case EACCES:
    case EPERM:
      return {.status = 403};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return {.status = 503, .shortage = true};
    case EIO:
    case EAGAIN:
      return {.status = 500};
    default:
      return {.status = 404};
  }
}

std::int64_t whole_seconds(std::int64_t nanoseconds) {
  return nanoseconds / 1'000'000'000 - (nanoseconds % 1'000'000'000 < 0 ? 1 : 0);
}

std::string make_etag(const FileIdentity& identity) {
  return fmt::format("\"{:x}-{:x}-{:x}\"", identity.inode, identity.size,
                     static_cast<std::uint64_t>(identity.modified_ns));
}

/// 0, or the errno: ESTALE when the file holds less than `out` asks for.
int read_all(const net::ReadableFile& file, MutableBytes out, MayWait may_wait) {
  for (std::size_t done = 0; done < out.size();) {
    const auto rest = out.subspan(done);
    const auto count = may_wait == MayWait::yes ? file.read(rest, done) : file.read_now(rest, done);
    if (!count) return count.error();
    if (*count == 0) return ESTALE;
    done += *count;
  }
  return 0;
}

/// The errno, or that of waiting.
using Loading = std::expected<std::shared_ptr<CachedFile>, int>;

/// ESTALE: it changed while it was read.
Loading load_regular(OpenedFile opened, std::string relative, std::size_t small_file, MayWait may_wait) {
  const auto now = static_cast<std::int64_t>(std::time(nullptr));
  auto file = std::make_shared<CachedFile>();
  file->type = media_type(relative);
  file->relative = std::move(relative);
  file->identity = opened.identity;
  file->size = opened.identity.size;
  file->validators = {make_etag(opened.identity), whole_seconds(opened.identity.modified_ns)};
  file->last_modified = format_http_date(file->validators.modified);
  file->settled = now > file->validators.modified;
  if (file->size > small_file) {
    ::posix_fadvise(opened.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    file->on_disk = std::make_shared<const net::ReadableFile>(std::move(opened.fd));
    return file;
  }
  file->in_memory = true;
  if (file->size == 0) return file;
  const net::ReadableFile source(std::move(opened.fd));
  file->content = Chunk::allocate(file->size);
  if (const int error = read_all(source, file->content.mutable_bytes(), may_wait); error != 0)
    return std::unexpected(error);
  struct stat status{};
  if (::fstat(source.fd(), &status) != 0) return std::unexpected(errno);
  if (FileIdentity(status) != file->identity) return std::unexpected(ESTALE);
  return file;
}

Loading load_page(OpenedFile opened, const std::string& relative) {
  auto page = make_folder_page(std::move(opened.fd), relative);
  if (!page) return std::unexpected(EIO);
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

Loading load(const ServedFolder& folder, const RequestPath& path, std::size_t small_file, MayWait may_wait) {
  auto opened = folder.open_file(path.relative, may_wait);
  if (!opened) return std::unexpected(opened.error());
  if (!opened->identity.folder) {
    if (path.folder) return std::unexpected(ENOTDIR);
    return load_regular(std::move(*opened), path.relative, small_file, may_wait);
  }
  if (!path.folder) return std::unexpected(EISDIR);
  auto index = path.relative + (path.relative.empty() ? "index.html" : "/index.html");
  auto page = folder.open_file(index, may_wait);
  if (page && !page->identity.folder)
    return load_regular(std::move(*page), std::move(index), small_file, may_wait);
  if (may_wait == MayWait::no) return std::unexpected(EAGAIN);
  return load_page(std::move(*opened), path.relative);
}

}  // namespace

std::optional<LoadedFile> load_file(const ServedFolder& folder, const RequestPath& path,
                                    std::size_t small_file, MayWait may_wait) {
  constexpr int attempts = 2;  // a file that changes each time that it is read is not worth a third
  for (int attempt = 0; attempt < attempts; ++attempt) {
    auto loaded = load(folder, path, small_file, may_wait);
    if (loaded) return std::move(*loaded);
    if (loaded.error() == ESTALE) continue;
    if (loaded.error() == EAGAIN && may_wait == MayWait::no) return std::nullopt;
    if (loaded.error() == EISDIR)
      return std::unexpected(MissingFile{301, "/" + encode_path(path.relative) + "/"});
    return std::unexpected(missing_for(loaded.error()));
  }
  return std::unexpected(MissingFile{.status = 503});
}

}  // namespace sallyport::gateway
