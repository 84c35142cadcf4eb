#include "client/output_place.h"

#include "base/escape.h"
#include "client/stream_output.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

namespace fs = std::filesystem;

/// ".part.json.part-4194304", the longest that is put behind a name: base/file.h writes beside.
constexpr std::size_t longest_ending = 23;

std::optional<int> number_behind(std::string_view path, std::string_view folder) {
  if (!path.starts_with(folder)) return std::nullopt;
  path.remove_prefix(folder.size());
  int number = -1;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), number);
  if (error != std::errc() || end != path.data() + path.size() || number < 0) return std::nullopt;
  return number;
}

/// The descriptor of this process that a path names.
std::optional<int> descriptor_of(const std::string& path) {
  const std::string plain = fs::path(path).lexically_normal().string();
  if (plain == "/dev/stdin") return STDIN_FILENO;
  if (plain == "/dev/stdout") return STDOUT_FILENO;
  if (plain == "/dev/stderr") return STDERR_FILENO;
  for (const std::string& folder :
       {std::string("/dev/fd/"), std::string("/proc/self/fd/"), std::string("/proc/thread-self/fd/"),
        fmt::format("/proc/{}/fd/", ::getpid())})
    if (const auto number = number_behind(plain, folder)) return number;
  return std::nullopt;
}

Result<OutputPlace> checked(int descriptor, const std::string& path) {
  const std::string name = path == "-" ? "standard output" : fmt::format("'{}'", path);
  // Our own are closed on exec, so whoever started us cannot mean them.
  const int flags = ::fcntl(descriptor, F_GETFD);
  if (flags < 0 || (flags & FD_CLOEXEC) != 0)
    return fail(ErrorKind::file, fmt::format("cannot write to {}: it is not open", name), EBADF);
  if ((::fcntl(descriptor, F_GETFL) & O_ACCMODE) == O_RDONLY)
    return fail(ErrorKind::file, fmt::format("cannot write to {}: it is not open for writing", name), EBADF);
  return OutputPlace{descriptor, {}};
}

/// FNV-1a: the same in every run, which std::hash need not be.
std::uint64_t stable_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

Result<OutputPlace> find_place(const std::string& path) {
  if (path.empty())
    return fail(ErrorKind::usage, "-o '' names no file; give -o FILE, or -o - for standard output");
  if (path == "-") return checked(STDOUT_FILENO, path);
  if (path.ends_with('/'))
    return fail(ErrorKind::file, fmt::format("'{}' is a directory; name a file in it", path));
  constexpr int most_links = 40;  // as the kernel follows
  fs::path at = path;
  for (int links = 0; links < most_links; ++links) {
    if (const auto descriptor = descriptor_of(at.string())) return checked(*descriptor, path);
    // Links there lead to what cannot be named.
    if (at.lexically_normal().string().starts_with("/proc/")) return OutputPlace{{}, at.string()};
    struct stat info{};
    if (::lstat(at.c_str(), &info) != 0 && errno != ENOENT) return file_error("write to", path);
    if (!S_ISLNK(info.st_mode)) return OutputPlace{{}, at.string()};
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(at.c_str(), target.data(), target.size());
    if (size < 0) return file_error("write to", path);
    at = at.parent_path() / std::string_view(target.data(), static_cast<std::size_t>(size));
  }
  errno = ELOOP;
  return file_error("write to", path);
}

PartNames part_names(const std::string& path) {
  const fs::path whole(path);
  std::string name = whole.filename().string();
  const std::string folder = path.substr(0, path.size() - name.size());
  const long limit = ::pathconf(folder.empty() ? "." : folder.c_str(), _PC_NAME_MAX);
  const std::size_t longest = limit > 0 ? static_cast<std::size_t>(limit) : NAME_MAX;
  if (name.size() + longest_ending > longest) {
    const std::string hash = fmt::format("~{:016x}", stable_hash(name));
    name = std::string(utf8_front(name, longest - std::min(longest, longest_ending + hash.size()))) + hash;
  }
  return {folder + name + ".part", folder + name + ".part.json"};
}

std::vector<std::string> taken_names(const OutputPlace& place) {
  if (place.descriptor) return {fmt::format("/proc/self/fd/{}", *place.descriptor)};
  std::error_code failed;
  const fs::path given(place.path);
  fs::path folder =
      fs::weakly_canonical(given.has_parent_path() ? given.parent_path() : fs::path("."), failed);
  if (failed) folder = fs::absolute(given, failed).parent_path();
  const std::string path = (folder / given.filename()).string();
  PartNames names = part_names(path);
  return {path, std::move(names.bytes), std::move(names.state)};
}

}  // namespace sallyport::client
