#include "admin/process_figures.h"

#include <fstream>
#include <memory>

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

namespace sallyport::admin {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

/// `most`, when there is none left to look with.
double open_descriptors(double most) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir("/proc/self/fd"));
  if (!folder) return most;
  double count = -3;  // "." and "..", and the one that is reading
  while (::readdir(folder.get()) != nullptr) ++count;
  return count;
}

}  // namespace

void collect_process_figures(MetricSet& out) {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  out.counter("process_cpu_seconds_total", "CPU time used.", seconds(usage.ru_utime), {{"mode", "user"}});
  out.counter("process_cpu_seconds_total", "CPU time used.", seconds(usage.ru_stime), {{"mode", "system"}});
  double total_pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  out.gauge("process_resident_bytes", "Resident memory.",
            resident_pages * static_cast<double>(::sysconf(_SC_PAGESIZE)));
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto most = static_cast<double>(limit.rlim_cur);
  out.gauge("process_open_descriptors", "Open file descriptors.", open_descriptors(most));
  out.gauge("process_max_descriptors", "Open file descriptors allowed.", most);
}

}  // namespace sallyport::admin
