use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// Completes on Ctrl-C, and on the SIGTERM that systemd, Docker and Kubernetes send.
pub async fn shutdown() {
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => terminate.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = ctrl_c() => {}
        _ = terminate => {}
    }
}
