// Figures: everything that `get` measured, and how it is shown: as a table for people and as JSON for
// programs.
#pragma once

#include "client/fetch.h"
#include "dial/link.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::client {

struct TransferFigures {
  std::string url;
  std::string error;  ///< empty where it went well
  std::string kept;   ///< where what came is kept, as a sentence; empty where nothing is
  unsigned retries = 0;
  FetchFigures fetch;
};

/// What this process used since it started.
struct ProcessFigures {
  double cpu_user_seconds = 0, cpu_system_seconds = 0;
  long max_resident_kib = 0;
  double wall_seconds = 0;
};

struct GetFigures {
  std::vector<TransferFigures> transfers;
  std::size_t not_started = 0;  ///< downloads that were left out when a hop broke or the user interrupted
  bool reader_gone = false;     ///< who read the body from a pipe wanted no more of it
  std::vector<dial::LinkFigures> links;
  ProcessFigures process;
  std::string qlog_folder;
};

ProcessFigures measure_process(double wall_seconds);
double to_ms(Duration duration);
/// "512 B", "1.2 GiB".
std::string size_text(std::uint64_t bytes);
/// Nothing for spans that never ended.
std::optional<double> milliseconds(Time from, Time to);
/// Empty where all failed before anything came: then the errors have said it all.
std::string figures_table(const GetFigures& figures);
std::string figures_json(const GetFigures& figures);

}  // namespace sallyport::client
