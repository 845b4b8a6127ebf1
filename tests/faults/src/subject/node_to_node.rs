//! A store whose operations go from one node of a cluster to the next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use async_trait::async_trait;
use time::OffsetDateTime;

use super::{Id, Subject};

/// The same store on each node.
pub(crate) struct NodeToNode {
    nodes: Vec<Arc<dyn Subject>>,
    next: AtomicUsize,
}

impl NodeToNode {
    pub(crate) fn new(nodes: Vec<Arc<dyn Subject>>) -> Self {
        Self {
            nodes,
            next: AtomicUsize::new(0),
        }
    }

    fn next(&self) -> &dyn Subject {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        &*self.nodes[next % self.nodes.len()]
    }
}

#[async_trait]
impl Subject for NodeToNode {
    async fn create(&self, expires_at: OffsetDateTime) -> Result<Id> {
        self.next().create(expires_at).await
    }

    async fn load(&self, id: Id) -> Result<Option<u64>> {
        self.next().load(id).await
    }

    async fn save(&self, id: Id, count: u64, expires_at: OffsetDateTime) -> Result<()> {
        self.next().save(id, count, expires_at).await
    }

    async fn delete(&self, id: Id) -> Result<()> {
        self.next().delete(id).await
    }

    async fn prune(&self) -> Result<()> {
        self.next().prune().await
    }
}
