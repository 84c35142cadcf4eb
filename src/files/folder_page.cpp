#include "files/folder_page.h"

#include "files/request_path.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <iterator>
#include <memory>
#include <tuple>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace sallyport::files {
namespace {

struct Row {
  std::string name;
  bool folder = false;
  std::uint64_t size = 0;
  std::time_t modified = 0;
};

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

std::string format_size(std::uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{}", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024 && unit < 5; ++unit) value /= 1024;
  return fmt::format("{:.1f} {}iB", value, " KMGTP"[unit]);
}

/// Empty for a year that no calendar has.
std::string format_time(std::time_t seconds) {
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return {};
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}", std::int64_t{parts.tm_year} + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min);
}

/// Of what a request for the entry would open.
std::expected<FileIdentity, int> state_of(const ServedFolder& served, int folder, const std::string& relative,
                                          const char* name) {
  struct stat status{};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0) return std::unexpected(errno);
  if (!S_ISLNK(status.st_mode)) return FileIdentity(status);
  return served.identify_served(relative.empty() ? name : relative + "/" + name, MayWait::yes);
}

/// A list without the names that this concerns would look whole.
bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM;
}

constexpr std::string_view style =
    "body{font:16px/1.5 system-ui,sans-serif;margin:2em;color-scheme:light dark}"
    "td,th{padding:0 1.5em 0 0;text-align:left}td:nth-child(n+2){font-variant-numeric:tabular-nums}"
    "td:nth-child(2),th:nth-child(2){text-align:right}";

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::expected<std::string, int> make_folder_page(const ServedFolder& served, UniqueFd folder,
                                                 const std::string& relative) {
  const int fd = folder.get();
  const std::unique_ptr<DIR, CloseFolder> stream(::fdopendir(fd));
  if (!stream) return std::unexpected(errno);
  (void)folder.release();  // closed by closedir

  std::vector<Row> rows;
  bool cut = false;
  while (const dirent* entry = ::readdir(stream.get())) {
    const std::string_view name = entry->d_name;
    if (is_hidden_name(name) || name == ".well-known") continue;
    const auto found = state_of(served, fd, relative, entry->d_name);
    if (!found && is_shortage(found.error())) return std::unexpected(found.error());
    if (!found || (!S_ISREG(found->mode) && !found->is_folder())) continue;
    if (rows.size() == max_listed) {
      cut = true;
      break;
    }
    rows.push_back({std::string(name), found->is_folder(), found->size, found->modified.seconds});
  }
  std::ranges::sort(rows, [](const Row& a, const Row& b) {
    return std::tuple(!a.folder, std::string_view(a.name)) < std::tuple(!b.folder, std::string_view(b.name));
  });

  std::string out;
  const auto title = escape_html(relative);
  fmt::format_to(
      std::back_inserter(out),
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>/{0}</title><style>{1}</style></head>\n"
      "<body><h1>/{0}</h1>\n<table>\n<tr><th>Name</th><th>Size</th><th>Changed (UTC)</th></tr>\n",
      title, style);
  if (!relative.empty()) out += "<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n";
  for (const auto& row : rows) {
    // "./" keeps a colon in the name from reading as a scheme.
    fmt::format_to(std::back_inserter(out),
                   "<tr><td><a href=\"./{0}{2}\">{1}{2}</a></td><td>{3}</td><td>{4}</td></tr>\n",
                   encode_path(row.name), escape_html(row.name), row.folder ? "/" : "",
                   row.folder ? "" : format_size(row.size), format_time(row.modified));
  }
  out += "</table>\n";
  if (cut) fmt::format_to(std::back_inserter(out), "<p>Only the first {} names are shown.</p>\n", max_listed);
  out += "</body></html>\n";
  return out;
}

}  // namespace sallyport::files
