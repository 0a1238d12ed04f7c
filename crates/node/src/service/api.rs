//! The interface, method by method.

use super::Service;
use async_trait::async_trait;
use strait_api::*;

#[async_trait]
impl Api for Service {
    async fn node_info(&self, _: Nothing) -> Result<NodeInfo, ApiError> {
        self.core.node_info().await
    }

    async fn peer_list(&self, _: Nothing) -> Result<Peers, ApiError> {
        self.core.peers().await
    }

    async fn peer_add(&self, request: PeerAdd) -> Result<Nothing, ApiError> {
        self.core.keep_peer(&request.address.parse()?).await?;
        Ok(Nothing {})
    }

    async fn peer_remove(&self, request: PeerRemove) -> Result<Nothing, ApiError> {
        self.core.forget_peer(request.signer).await?;
        Ok(Nothing {})
    }

    async fn tower_list(&self, request: TowerQuery) -> Result<Towers, ApiError> {
        self.core.towers(request).await
    }

    async fn tower_add(&self, request: TowerAdd) -> Result<Nothing, ApiError> {
        self.core.use_tower(&request.address.parse()?).await?;
        Ok(Nothing {})
    }

    async fn tower_remove(&self, request: TowerRemove) -> Result<TowerRemoved, ApiError> {
        self.core.leave_tower(request.signer).await
    }

    async fn channel_open(&self, request: ChannelOpen) -> Result<ChannelOpened, ApiError> {
        self.core.open(request).await
    }

    async fn channel_list(&self, request: ChannelList) -> Result<Channels, ApiError> {
        self.core.list(request).await
    }

    async fn channel_show(&self, request: ChannelRef) -> Result<ChannelInfo, ApiError> {
        self.core.show(request.channel).await
    }

    async fn channel_deposit(&self, request: ChannelMove) -> Result<Submitted, ApiError> {
        self.core.deposit(request).await
    }

    async fn channel_withdraw(&self, request: ChannelMove) -> Result<Agreed, ApiError> {
        self.core.withdraw(request).await
    }

    async fn channel_close(&self, request: ChannelRef) -> Result<Agreed, ApiError> {
        self.core.close(request.channel).await
    }

    async fn channel_dispute(&self, request: ChannelRef) -> Result<Nothing, ApiError> {
        self.core.dispute(request.channel).await
    }

    async fn channel_state(&self, request: ChannelRef) -> Result<SignedState, ApiError> {
        self.core.state(request.channel).await
    }

    async fn proposal_list(&self, _: Nothing) -> Result<Proposals, ApiError> {
        self.core.proposals().await
    }

    async fn proposal_approve(&self, request: ChannelRef) -> Result<ChannelInfo, ApiError> {
        self.core.approve(request.channel).await
    }

    async fn proposal_reject(&self, request: ProposalReject) -> Result<Nothing, ApiError> {
        self.core.reject(request.channel, request.reason).await
    }

    async fn proposal_reconsider(&self, request: ChannelRef) -> Result<Nothing, ApiError> {
        self.core.reconsider(request.channel).await
    }

    async fn app_install(&self, request: AppInstall) -> Result<InstalledApp, ApiError> {
        self.core.app_install(request).await
    }

    async fn app_list(&self, _: Nothing) -> Result<InstalledApps, ApiError> {
        self.core.app_list().await
    }

    async fn app_open(&self, request: AppOpen) -> Result<ChannelOpened, ApiError> {
        self.core.app_open(request).await
    }

    async fn app_show(&self, request: ChannelRef) -> Result<AppInfo, ApiError> {
        self.core.app_show(request.channel).await
    }

    async fn app_move(&self, request: AppMove) -> Result<AppMoved, ApiError> {
        self.core.app_move(request).await
    }

    async fn app_finish(&self, request: AppFinish) -> Result<Agreed, ApiError> {
        self.core.app_finish(request).await
    }

    async fn app_claim(&self, request: ChannelRef) -> Result<Nothing, ApiError> {
        self.core.app_claim(request.channel).await
    }

    async fn pay(&self, request: Pay) -> Result<Paid, ApiError> {
        self.core.pay(request).await
    }

    async fn pay_many(&self, request: PayMany) -> Result<PaidMany, ApiError> {
        self.core.pay_many(request).await
    }

    async fn lock_add(&self, request: LockAdd) -> Result<LockNumber, ApiError> {
        self.core.lock_add(request).await
    }

    async fn lock_settle(&self, request: LockSettle) -> Result<Nothing, ApiError> {
        self.core.lock_settle(request).await
    }

    async fn lock_cancel(&self, request: LockRef) -> Result<Nothing, ApiError> {
        self.core.lock_cancel(request).await
    }

    async fn invoice_create(&self, request: InvoiceCreate) -> Result<InvoiceMade, ApiError> {
        self.core.invoice_create(request).await
    }

    async fn invoice_list(&self, request: InvoiceList) -> Result<Invoices, ApiError> {
        self.core.invoice_list(request).await
    }

    async fn invoice_show(&self, request: InvoiceRef) -> Result<Invoice, ApiError> {
        self.core.invoice_show(request.id).await
    }

    async fn invoice_cancel(&self, request: InvoiceRef) -> Result<Invoice, ApiError> {
        self.core.invoice_cancel(request.id).await
    }

    async fn invoice_read(&self, request: InvoiceText) -> Result<InvoiceTerms, ApiError> {
        super::invoices::read(&request.text)
    }

    async fn invoice_pay(&self, request: InvoicePay) -> Result<Paid, ApiError> {
        self.core.invoice_pay(request).await
    }

    async fn history(&self, request: HistoryQuery) -> Result<History, ApiError> {
        self.core.history(&request).await
    }

    async fn history_proof(&self, request: HistoryQuery) -> Result<HistoryProof, ApiError> {
        self.core.history_proof(&request).await
    }

    async fn history_prune(&self, request: HistoryPrune) -> Result<HistoryPruned, ApiError> {
        self.core.history_prune(request).await
    }

    async fn events(&self, request: EventQuery) -> Result<Events, ApiError> {
        self.core.events(&request).await
    }

    async fn token_create(&self, _: TokenCreate) -> Result<TokenSecret, ApiError> {
        Err(no_tokens())
    }

    async fn token_list(&self, _: Nothing) -> Result<Tokens, ApiError> {
        Err(no_tokens())
    }

    async fn token_revoke(&self, _: TokenRef) -> Result<Nothing, ApiError> {
        Err(no_tokens())
    }

    async fn backup(&self, request: BackupTo) -> Result<BackupDone, ApiError> {
        self.core.backup(request).await
    }
}

/// Tokens are the server's, which answers for them before a call gets here.
fn no_tokens() -> ApiError {
    ApiError::new(ErrorCode::UnknownMethod, "an embedded node has no tokens")
        .hint("tokens are made and checked by the JSON-RPC server; whoever embeds the node needs none")
}
