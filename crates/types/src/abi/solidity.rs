//! Declarations of `contracts/src/interfaces`, as far as Rust uses them. Documented there.
#![allow(missing_docs, unreachable_pub)]

alloy_sol_types::sol! {
    struct ChannelParams {
        address signer0;
        address payout0;
        address signer1;
        address payout1;
        uint32 challengeDuration;
        uint64 nonce;
        address app;
        bytes32 child;
        address[] assets;
    }

    struct Allocation {
        int128 delta0;
        int128 delta1;
        uint128 withdrawn0;
        uint128 withdrawn1;
    }

    struct State {
        uint64 version;
        uint8 writer;
        bool isFinal;
        uint64 validUntil;
        Allocation[] allocations;
        bytes32 locksHash;
        bytes32 history;
        bytes appData;
    }

    enum LockKind {
        Hash,
        Channel
    }

    struct Lock {
        LockKind kind;
        uint8 assetIndex;
        uint128 amount0;
        uint128 amount1;
        bytes32 ref;
        uint64 expiry;
        bool flip;
    }

    struct Record {
        uint64 version;
        bytes32 stateHash;
    }

    struct ChildTerms {
        bytes32 parent0;
        uint64 version0;
        bytes32 parent1;
        uint64 version1;
        address hub;
        uint64 end;
        uint128 amount0;
        uint128 amount1;
    }

    #[derive(Default)]
    struct Sig {
        bytes32 r;
        bytes32 vs;
    }

    struct Shown {
        State state;
        Sig sig0;
        Sig sig1;
        Sig activation;
        Record previous;
    }

    struct NativeDeposit {
        bytes32 terms;
        bytes32 moreAssets;
        uint8 participant;
        uint128 amount;
    }

    interface Adjudicator {
        event Deposited(bytes32 indexed channelId, uint256 participant, uint256 assetIndex, uint256 amount);
        event Challenged(bytes32 indexed channelId, uint256 challenger, uint256 dispute, uint256 deadline, State state);
        event Responded(bytes32 indexed channelId, uint256 dispute, State state);
        event Resumed(bytes32 indexed channelId, uint256 dispute);
        event Withdrawn(bytes32 indexed channelId, State state, uint256[2][] paid);
        event Closed(bytes32 indexed channelId, uint256[2][] paid);
        event Settled(bytes32 indexed channelId, uint256[2][] paid, uint256[] reserve, bytes32 locksHash);
        event Unlocked(bytes32 indexed channelId, uint256[2][] paid, Lock[] locks);
        event PreimageRegistered(bytes32 indexed hash, bytes32 preimage);
        event Credited(address indexed payout, address indexed asset, uint256 amount);
        event CreditWithdrawn(address indexed payout, address indexed asset, address to, uint256 amount);
        event Progressed(bytes32 indexed channelId, uint256 dispute, uint256 deadline, State state);
        event Finalised(bytes32 indexed channelId, uint256 outcome0, uint256 outcome1);
        event AppDeployed(address indexed app);

        function deposit(bytes32 terms, bytes32 moreAssets, uint256 participant) external payable;
        function depositMany(NativeDeposit[] calldata deposits) external payable;
        function depositToken(bytes32 terms, address[] calldata assets, uint256 assetIndex, uint256 participant, uint256 amount) external;

        function close(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1) external;
        function withdraw(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1, Record calldata previous) external;
        function resume(ChannelParams calldata params, Record calldata recorded, Sig calldata sig0, Sig calldata sig1) external;

        function challenge(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1, Record calldata previous, uint256 challenger, Sig calldata sig) external;
        function respond(ChannelParams calldata params, State calldata state, Sig calldata sig0, Sig calldata sig1, Record calldata previous) external;
        function settle(ChannelParams calldata params, State calldata state) external;
        function unlock(ChannelParams calldata params, Lock[] calldata locks) external;
        function registerPreimage(bytes32 preimage) external;
        function withdrawCredit(address asset, address to) external;
        function multicall(bytes[] calldata calls) external;

        function progress(ChannelParams calldata params, State calldata state, State calldata next, Sig calldata sig0, Sig calldata sig1) external;
        function deployApp(bytes calldata runtime) external returns (address app);

        function closeChild(ChannelParams calldata params, ChildTerms calldata terms, State calldata state, Sig calldata sig0, Sig calldata sig1, Sig calldata hubSig) external;
        function resumeChild(ChannelParams calldata params, ChildTerms calldata terms, Record calldata recorded, Sig calldata sig0, Sig calldata sig1, Sig calldata hubSig) external;
        function challengeChild(ChannelParams calldata params, ChildTerms calldata terms, Shown calldata shown, uint256 challenger, Sig calldata sig) external;
        function respondChild(ChannelParams calldata params, ChildTerms calldata terms, Shown calldata shown) external;
        function progressChild(ChannelParams calldata params, ChildTerms calldata terms, State calldata state, State calldata next, Sig calldata sig0, Sig calldata sig1) external;
        function settleChild(ChannelParams calldata params, ChildTerms calldata terms, State calldata state) external;
        function outcome(bytes32 id) external view returns (bool finalised, uint128 outcome0, uint128 outcome1);

        function channelId(ChannelParams calldata params) external view returns (bytes32);
        function channel(bytes32 id) external view returns (uint8 phase, uint16 dispute, uint40 deadline, bytes25 fingerprint);
        function funds(bytes32 id, uint256 assetIndex) external view returns (uint128[2] memory deposited, uint128[2] memory withdrawn, uint128 reserve);
        function credits(address payout, address asset) external view returns (uint256);
        function registeredAt(bytes32 hash) external view returns (uint64);
    }

    interface App {
        function validTransition(State calldata state, State calldata next) external pure returns (bool);
        function verdict(State calldata state) external pure returns (int128[2][] memory deltas);
    }

    interface Token {
        function approve(address spender, uint256 amount) external returns (bool);
        function allowance(address owner, address spender) external view returns (uint256);
        function balanceOf(address owner) external view returns (uint256);
        function mint(address to, uint256 amount) external;
    }
}
