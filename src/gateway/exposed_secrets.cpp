#include "gateway/exposed_secrets.h"

#include "files/request_path.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

namespace fs = std::filesystem;

/// The URL path of `path`: "/key.pem". Nullopt where it is outside `folder` or hidden.
std::optional<std::string> path_in(const fs::path& folder, const fs::path& path) {
  const fs::path relative = path.lexically_relative(folder);
  if (relative == ".") return "/";
  // ".." is such a name, too.
  if (std::ranges::any_of(relative,
                          [](const fs::path& name) { return files::is_hidden_name(name.string()); }))
    return std::nullopt;
  return "/" + files::encode_path(relative.string());
}

}  // namespace

std::vector<std::string> exposed_secrets(const Settings& settings) {
  std::vector<std::string> warnings;
  std::error_code error;
  if (settings.files.empty()) return warnings;
  const fs::path folder = fs::canonical(settings.files, error);
  if (error) return warnings;
  std::vector<std::pair<std::string_view, std::string>> named{
      {"--token-file", settings.token_file},   {"--admin-token-file", settings.admin_token_file},
      {"--secret-file", settings.secret_file}, {"--backend-key", settings.backend_key},
      {"--keylog", settings.key_log},          {"--qlog", settings.qlog},
      {"--access-log", settings.access_log}};
  for (const auto& pair : settings.certificates) named.emplace_back("--key", pair.key);
  for (const auto& [flag, path] : named) {
    if (path.empty() || path == "-") continue;
    // A log may be yet to be made.
    const fs::path real = fs::weakly_canonical(fs::absolute(path, error), error);
    if (error) continue;
    if (const auto found = path_in(folder, real))
      warnings.push_back(fmt::format(
          "{} {} lies in the folder of --files, where anybody can download {} {}; move it "
          "elsewhere",
          flag, path, flag == "--qlog" || fs::is_directory(real, error) ? "what is in it, below" : "it as",
          *found));
  }
  return warnings;
}

}  // namespace sallyport::gateway
