#include "gateway/exposed_secrets.h"

#include "gateway/request_path.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

namespace fs = std::filesystem;

/// What a client would ask for to get `path`; empty where `folder` does not hold it or its name is hidden.
fs::path below(const fs::path& folder, const fs::path& path) {
  fs::path relative = path.lexically_relative(folder);
  if (relative == "." || std::ranges::any_of(relative, [](const fs::path& name) {
        return name == ".." || is_hidden_name(name.string());
      }))
    return {};
  return relative;
}

}  // namespace

std::vector<std::string> exposed_secrets(const Settings& settings) {
  std::vector<std::string> warnings;
  std::error_code error;
  if (settings.files.empty()) return warnings;
  const fs::path folder = fs::canonical(settings.files, error);
  if (error) return warnings;
  for (const auto& [flag, path] :
       {std::pair{"--key", settings.key_file}, std::pair{"--token-file", settings.token_file},
        std::pair{"--admin-token-file", settings.admin_token_file},
        std::pair{"--secret-file", settings.secret_file}, std::pair{"--keylog", settings.key_log},
        std::pair{"--qlog", settings.qlog}, std::pair{"--access-log", settings.access_log}}) {
    if (path.empty() || path == "-") continue;
    const fs::path real = fs::weakly_canonical(fs::absolute(path, error), error);
    if (error) continue;
    if (const fs::path asked_for = below(folder, real); !asked_for.empty())
      warnings.push_back(
          fmt::format("{} {} lies in the folder of --files, where anybody can download it as /{}; move it "
                      "elsewhere",
                      flag, path, asked_for.string()));
  }
  return warnings;
}

}  // namespace sallyport::gateway
