#include "cli/trace.h"

#include "cli/command.h"
#include "inspect/summary.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::cli {
namespace {

struct SummaryFlags {
  std::vector<std::string> paths;
  bool json = false;
};

bool is_qlog(const std::filesystem::path& path) {
  return path.extension() == ".sqlog" || path.extension() == ".qlog";
}

/// Of a folder, the qlog files in it.
Result<std::vector<std::string>> files_of(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector{path};
  std::vector<std::string> files;
  for (auto entry = std::filesystem::directory_iterator(path, error);
       !error && entry != std::filesystem::directory_iterator(); entry.increment(error))
    if (is_qlog(entry->path())) files.push_back(entry->path().string());
  if (error)
    return fail(ErrorKind::file, fmt::format("cannot read the folder {}: {}", path, error.message()));
  if (files.empty())
    return fail(ErrorKind::file, fmt::format("the folder {} has no qlog file (.sqlog, .qlog)", path));
  std::ranges::sort(files);
  return files;
}

Result<> summarize(const std::string& file, std::vector<inspect::TraceSummary>& all) {
  auto summaries = inspect::summarize_qlog(file);
  if (!summaries) return std::unexpected(summaries.error());
  std::move(summaries->begin(), summaries->end(), std::back_inserter(all));
  return {};
}

/// A file that cannot be read costs the exit status, not the figures of the others.
void run_summary(const SummaryFlags& flags, ExitStatus& status) {
  std::vector<inspect::TraceSummary> all;
  for (const std::string& path : flags.paths) {
    const auto files = files_of(path);
    if (!files) fail_with(files.error(), status);
    for (const std::string& file : files.value_or(std::vector<std::string>{}))
      if (auto done = summarize(file, all); !done) fail_with(done.error(), status);
  }
  inspect::sort_by_start(all);
  if (flags.json)
    print(stdout, inspect::summaries_as_json(all));
  else if (!all.empty())
    print(stdout, inspect::summaries_as_table(all));
}

}  // namespace

void add_trace(CLI::App& app, ExitStatus& status) {
  CLI::App* trace = app.add_subcommand("trace", "Analyze recorded connections (qlog files)");
  trace->require_subcommand(1);
  auto flags = std::make_shared<SummaryFlags>();
  CLI::App* summary = trace->add_subcommand(
      "summary", "Throughput, time to first byte, round-trip times, losses, congestion window");
  summary->add_option("FILE", flags->paths, "qlog files (.sqlog, .qlog) of any program, or folders of them")
      ->required();
  summary->add_flag("--json", flags->json, "Print a JSON array with one object a connection");
  summary->callback([flags, &status] { run_summary(*flags, status); });
}

}  // namespace sallyport::cli
