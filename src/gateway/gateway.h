// Gateway: a listening server: its workers, its certificate, its admin port, and its end in order. Runs on
// the caller's thread, which serves the admin port and the signals.
#pragma once

#include "gateway/admin.h"
#include "gateway/certificates.h"
#include "gateway/folder_watch.h"
#include "gateway/metric_set.h"
#include "gateway/settings.h"
#include "gateway/terminal.h"
#include "gateway/token_file.h"
#include "gateway/worker_thread.h"
#include "net/event_loop.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::gateway {

class Gateway final : private Admin::Source {
 public:
  /// Returns when all workers listen, and signals wait for run(). Errors name the flag or file and the mend.
  static Result<std::unique_ptr<Gateway>> start(Settings settings);
  ~Gateway();

  /// Where it listens, with the ports that were chosen.
  const std::vector<net::SocketAddress>& addresses() const { return setup_->settings.listen; }
  /// Serves until SIGINT or SIGTERM and the drain that they start, or a second one. SIGHUP reads the
  /// certificate and token files again and opens the served folder, unless it came of a terminal that was
  /// closed, which is an end as well; SIGUSR1 opens the access log again.
  void run();

 private:
  struct Scrape;
  enum class State : std::uint8_t { serving, draining, ended };

  Gateway();
  Result<> set_up(Settings settings);
  Result<> start_workers();
  /// Puts the port that was chosen into `settings`.
  Result<> start_admin(Settings& settings);
  Result<> open_token_files(const Settings& settings);
  void announce() const;
  void on_signal(int signal);
  void on_hangup();
  void end_with_terminal();
  void reload_certificate();
  /// Reads `file`, if there is one, again, for all who ask for its tokens. `why`: begins the line in the log.
  void reload(std::optional<TokenFile>& file, std::string_view why);
  void look_at_token_files(Time now);
  void watch_folder();
  void reopen();
  void drain(int signal);
  /// `why`: for the last line of the log.
  void end(std::string_view why);

  // Admin::Source
  bool is_ready() const override { return state_ == State::serving; }
  void make_metrics(std::function<void(std::string)> done) override;
  void collect(MetricSet& out) const;

  net::EventLoop loop_;
  State state_ = State::serving;
  std::string_view end_signal_;  // "SIGTERM", the first one to end
  const Terminal terminal_;
  net::Timer terminal_look_;
  std::unique_ptr<Certificates> certificates_;
  std::shared_ptr<const WorkerSetup> setup_;
  std::vector<std::unique_ptr<WorkerThread>> workers_;
  std::size_t undrained_ = 0;
  net::Timer grace_;
  std::unique_ptr<Admin> admin_;
  std::optional<TokenFile> tokens_, admin_tokens_;
  std::string tokens_said_, admin_tokens_said_;  // the error that was logged last, of each
  std::unique_ptr<FolderWatch> folder_;          // null: no --files
  net::Timer look_;
};

}  // namespace sallyport::gateway
