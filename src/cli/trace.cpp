#include "cli/trace.h"

#include "cli/command.h"
#include "inspect/summary.h"

#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace sallyport::cli {
namespace {

struct SummaryFlags {
  std::vector<std::string> files;
  bool json = false;
};

/// A file that cannot be read costs the exit status, not the figures of the others.
void run_summary(const SummaryFlags& flags, ExitStatus& status) {
  std::vector<inspect::TraceSummary> all;
  for (const std::string& file : flags.files) {
    auto summaries = inspect::summarize_qlog(file);
    if (!summaries) {
      fail_with(summaries.error(), status);
      continue;
    }
    std::move(summaries->begin(), summaries->end(), std::back_inserter(all));
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
  summary->add_option("FILE", flags->files, "qlog files (.sqlog, .qlog) of any program")->required();
  summary->add_flag("--json", flags->json, "Print a JSON array with one object a connection");
  summary->callback([flags, &status] { run_summary(*flags, status); });
}

}  // namespace sallyport::cli
