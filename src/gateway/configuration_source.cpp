#include "gateway/configuration_source.h"

#include "base/log.h"
#include "files/served_folder.h"
#include "net/file_reader.h"

#include <utility>

namespace sallyport::gateway {
namespace {

constexpr Duration look_interval = 1s;

}  // namespace

ConfigurationSource::ConfigurationSource(config::ServingFlags flags, Changed changed)
    : flags_(std::move(flags)), changed_(std::move(changed)), certificates_(flags_) {}

Result<std::unique_ptr<ConfigurationSource>> ConfigurationSource::open(config::ServingFlags flags,
                                                                       Changed changed) {
  std::unique_ptr<ConfigurationSource> source(new ConfigurationSource(std::move(flags), std::move(changed)));
  if (!source->flags_.token_file.empty()) {
    auto tokens = admin::TokenFile::open("--token-file", source->flags_.token_file);
    if (!tokens) return std::unexpected(std::move(tokens.error()));
    source->tokens_ = std::move(*tokens);
    source->material_.tokens = source->tokens_->tokens();
  }
  if (const auto& path = source->flags_.files; !path.empty()) {
    auto folder = files::ServedFolder::open(path);
    if (!folder) return std::unexpected(std::move(folder.error()));
    source->material_.folder = std::move(*folder);
  }
  if (auto done = source->certificates_.load(); !done) return std::unexpected(std::move(done.error()));
  source->material_.credentials = source->certificates_.credentials();
  source->material_.backend_certificate = source->certificates_.for_backends();
  source->material_.backend_trust = source->certificates_.backend_trust();
  source->make();
  if (auto valid = config::validate(*source->current_); !valid)
    return std::unexpected(std::move(valid.error()));
  source->certificates_.warn_of_dates();
  return source;
}

void ConfigurationSource::make() {
  current_ = std::make_shared<const config::Configuration>(config::make_configuration(flags_, material_));
}

void ConfigurationSource::set_addresses(std::vector<net::SocketAddress> addresses) {
  material_.addresses = std::move(addresses);
  make();
}

void ConfigurationSource::set_admin(const net::SocketAddress& address) {
  material_.admin = address;
  make();
}

void ConfigurationSource::watch(net::EventLoop& loop) {
  look_.emplace(loop.timers(), [this](Time now) {
    look(now);
    look_->arm(now + look_interval);
  });
  look_->arm(loop.timers().now() + look_interval);
  if (!material_.folder) return;
  folder_ = std::make_unique<files::FolderWatch>(
      net::make_file_reader(loop), loop.timers(), flags_.files, material_.folder,
      [this](const std::shared_ptr<const files::ServedFolder>& folder) {
        material_.folder = folder;
        publish();
      });
}

void ConfigurationSource::publish() {
  auto next = std::make_shared<const config::Configuration>(config::make_configuration(flags_, material_));
  if (*next == *current_) return;
  if (auto valid = config::validate(*next); !valid)
    return log_error("the old configuration stays in use: {}", valid.error().message);
  current_ = std::move(next);
  log_debug("the configuration is now:\n{}", config::to_text(*current_));
  changed_(current_);
}

void ConfigurationSource::look(Time now) {
  if (tokens_ && tokens_->has_changed()) reload_tokens("", now);
  if (certificates_.has_changed()) reload_certificates("");
}

void ConfigurationSource::reload(std::string_view why, Time now) {
  reload_certificates(why);
  if (folder_) folder_->open_again();
  if (tokens_) reload_tokens(why, now);
}

void ConfigurationSource::reload_certificates(std::string_view why) {
  if (!certificates_.has_files()) {
    certificates_.warn_of_dates();
    return log_info("{}the certificate is self-signed, there is no file to reload", why);
  }
  if (auto done = certificates_.load(); !done) {
    // While a pair is being replaced, the certificate and the key may not fit for a moment.
    const bool known = std::exchange(certificates_said_, done.error().message) == done.error().message;
    if (why.empty() && known) return;
    return log_error("{}{}; the old certificates stay in use", why, certificates_said_);
  }
  certificates_said_.clear();
  certificates_.warn_of_dates();
  material_.credentials = certificates_.credentials();
  material_.backend_certificate = certificates_.for_backends();
  material_.backend_trust = certificates_.backend_trust();
  const auto& changed = certificates_.changed();
  for (const std::string& certificate : changed)
    log_info("{}{} was reloaded, for new connections", why, certificate);
  if (changed.empty()) log_info("{}the certificate files were read again; none of them changed", why);
  publish();
}

void ConfigurationSource::reload_tokens(std::string_view why, Time now) {
  if (!tokens_->reload(why, now)) return;
  material_.tokens = tokens_->tokens();
  publish();
}

void ConfigurationSource::collect(admin::MetricSet& out) const {
  certificates_.collect(out);
  if (tokens_) tokens_->collect(out);
  if (!folder_) return;
  constexpr std::string_view opened = "Times that --files was found to be another folder, or none.";
  out.counter("files_folder_changes_total", opened, static_cast<double>(folder_->counters().used),
              {{"result", "used"}});
  out.counter("files_folder_changes_total", opened, static_cast<double>(folder_->counters().failed),
              {{"result", "failed"}});
}

}  // namespace sallyport::gateway
