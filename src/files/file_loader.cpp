#include "files/file_loader.h"

#include "files/folder_page.h"
#include "files/media_type.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>

namespace sallyport::files {
namespace {

/// The status for an errno. 404, not 403, for paths that lead outside: clients must not learn what exists
/// there.
MissingFile missing_for(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EXDEV:   // outside, or hidden
    case ENXIO:   // a socket
    case ENODEV:  // a device that is not there
    case EINVAL:
    case EILSEQ:  // a name that the file system does not allow
      return {.status = 404};
    case EACCES:
    case EPERM:
      return {.status = 403};
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
      return {.status = 503, .shortage = true};
    case ESTALE:  // it changed during every read, or its file server replaced it
    case EAGAIN:  // a rename interfered each time
    case EINTR:
    case ETIMEDOUT:
      return {.status = 503};
    default:
      return {.status = 500};
  }
}

/// The arguments of load_file().
struct Loader {
  const ServedFolder& folder;
  const LoadOptions& options;
  const net::FileReader* reader;

  MayWait may_wait() const { return reader == nullptr ? MayWait::yes : MayWait::no; }
  int read_all(const net::ReadableFile& file, MutableBytes out) const;
  /// The errno, or that of waiting.
  using Loading = std::expected<std::shared_ptr<CachedFile>, int>;
  /// `now`: before it was opened.
  Loading load_regular(OpenedFile opened, std::string relative, const FileTime& now) const;
  Loading load_folder(std::expected<OpenedFile, int> opened, const std::string& relative,
                      const FileTime& now) const;
  Loading load(const RequestPath& path) const;
};

/// 0, or the errno: ESTALE when the file is shorter than `out`.
int Loader::read_all(const net::ReadableFile& file, MutableBytes out) const {
  for (std::size_t done = 0; done < out.size();) {
    const auto rest = out.subspan(done);
    const auto count = reader == nullptr ? file.read(rest, done) : reader->read_now(file, rest, done);
    if (!count) return count.error();
    if (*count == 0) return ESTALE;
    done += *count;
  }
  return 0;
}

/// The members common to all loaded files.
std::shared_ptr<CachedFile> make_file(std::string relative, const FileIdentity& identity,
                                      const FileTime& now) {
  auto file = std::make_shared<CachedFile>();
  file->relative = std::move(relative);
  file->identity = identity;
  file->settled = is_settled(identity, now);
  file->seen_at(now);
  return file;
}

/// ESTALE: it changed while it was read.
Loader::Loading Loader::load_regular(OpenedFile opened, std::string relative, const FileTime& now) const {
  auto file = make_file(std::move(relative), opened.identity, now);
  file->type = media_type(file->relative);
  file->size = opened.identity.size;
  if (file->size > options.small_file) {
    // Before the file is settled, other content could get the same tag.
    if (file->settled) file->validators.etag = state_etag(opened.identity, options.etag);
    ::posix_fadvise(opened.fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    file->on_disk = std::make_shared<const net::ReadableFile>(std::move(opened.fd));
    return file;
  }
  file->in_memory = true;
  if (file->size > 0) {
    const net::ReadableFile source(std::move(opened.fd));
    file->content = Chunk::allocate(file->size);
    if (const int error = read_all(source, file->content.mutable_bytes()); error != 0)
      return std::unexpected(error);
    struct stat status{};
    if (::fstat(source.fd(), &status) != 0) return std::unexpected(errno);
    if (FileIdentity(status) != file->identity) return std::unexpected(ESTALE);
  }
  file->validators.etag = content_etag(file->content.bytes());
  return file;
}

/// The folder's index.html, or, only where there is none, a page that lists it. A dangling symbolic link of
/// that name counts as an index: the folder must not be listed.
Loader::Loading Loader::load_folder(std::expected<OpenedFile, int> opened, const std::string& relative,
                                    const FileTime& now) const {
  auto index = relative + (relative.empty() ? "index.html" : "/index.html");
  auto page = folder.open_file(index, may_wait());
  if (page && page->identity.is_folder()) return std::unexpected(ENOENT);
  if (page) return load_regular(std::move(*page), std::move(index), now);
  if (page.error() != ENOENT) return std::unexpected(page.error());
  const auto itself = folder.identify_itself(index, may_wait());
  if (itself) return std::unexpected(itself->is_link() ? ENOENT : ESTALE);  // ESTALE: it has just come
  if (itself.error() != ENOENT) return std::unexpected(itself.error());

  if (!opened) return std::unexpected(opened.error());
  if (may_wait() == MayWait::no) return std::unexpected(EAGAIN);
  // The folder's state from before the search for the index: a later index changes the state.
  auto file = make_file(relative, opened->identity, now);
  const auto html = make_folder_page(folder, std::move(opened->fd), relative);
  if (!html) return std::unexpected(html.error());
  file->size = html->size();
  file->in_memory = true;
  file->content = Chunk::copy_of(as_bytes(*html));
  file->generated = true;
  file->type = "text/html; charset=utf-8";
  return file;
}

Loader::Loading Loader::load(const RequestPath& path) const {
  const FileTime now = options.now();
  auto opened = folder.open_file(path.relative, may_wait());
  if (!opened && opened.error() != EACCES) return std::unexpected(opened.error());
  if (opened && !opened->identity.is_folder()) {
    if (path.folder) return std::unexpected(ENOTDIR);
    return load_regular(std::move(*opened), path.relative, now);
  }
  // A folder that cannot be listed may still hold an index that can be read.
  if (path.folder) return load_folder(std::move(opened), path.relative, now);
  if (opened) return std::unexpected(EISDIR);
  const auto itself = folder.identify_itself(path.relative, may_wait());
  if (!itself) return std::unexpected(itself.error());
  return std::unexpected(itself->is_folder() ? EISDIR : EACCES);
}

}  // namespace

std::optional<LoadedFile> load_file(const ServedFolder& folder, const RequestPath& path,
                                    const LoadOptions& options, const net::FileReader* reader) {
  const Loader loader{folder, options, reader};
  constexpr int attempts = 2;  // no third attempt for a file that changes during every read
  for (int attempt = 1;; ++attempt) {
    auto loaded = loader.load(path);
    if (loaded) return std::move(*loaded);
    const int error = loaded.error();
    if (error == ESTALE && attempt < attempts) continue;
    if (error == EAGAIN && reader != nullptr) return std::nullopt;
    if (error == EISDIR) return std::unexpected(MissingFile{301, "/" + encode_path(path.relative) + "/"});
    return std::unexpected(missing_for(error));
  }
}

}  // namespace sallyport::files
