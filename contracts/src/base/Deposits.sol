// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IAdjudicator} from "../interfaces/IAdjudicator.sol";
import {IPermit2, IReceiveWithAuthorization} from "../interfaces/Tokens.sol";
import {NativeDeposit} from "../interfaces/Types.sol";
import {Hashing} from "../libraries/Hashing.sol";
import {Holding} from "../libraries/Holdings.sol";
import {Params} from "../libraries/Params.sol";
import {Channel, Ledger} from "./Ledger.sol";

/// @title Deposits: anyone may add to what either participant owns
/// @dev Nothing is agreed or expected beforehand, so that no one can make a deposit fail by depositing first. Deposits
/// show hashes and not the parameters: docs/decisions/0001-deposits-show-hashes.md says who checks what.
abstract contract Deposits is IAdjudicator, Ledger {
    using SafeERC20 for IERC20;

    /// @notice The same address on every chain.
    IPermit2 public constant PERMIT2 = IPermit2(0x000000000022D473030F116dDEE9F6B43aC78BA3);

    bytes32 private constant DEPOSIT_TO_TYPEHASH = keccak256("DepositTo(bytes32 channelId,uint256 participant)");
    string private constant PERMIT2_WITNESS =
        "DepositTo witness)DepositTo(bytes32 channelId,uint256 participant)TokenPermissions(address token,uint256 amount)";

    /// @inheritdoc IAdjudicator
    function deposit(bytes32 terms, bytes32 moreAssets, uint256 participant) external payable whenIdle {
        _credit(Hashing.id(terms, address(0), moreAssets, 0), 0, participant, msg.value);
    }

    /// @inheritdoc IAdjudicator
    function depositMany(NativeDeposit[] calldata deposits) external payable whenIdle {
        uint256 total = 0;
        for (uint256 i = 0; i < deposits.length; ++i) {
            NativeDeposit calldata item = deposits[i];
            total += item.amount;
            _credit(Hashing.id(item.terms, address(0), item.moreAssets, 0), 0, item.participant, item.amount);
        }
        require(total == msg.value, ValueMismatch());
    }

    /// @inheritdoc IAdjudicator
    function depositToken(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount
    ) external nonReentrant {
        _pull(terms, assets, assetIndex, participant, amount);
    }

    /// @inheritdoc IAdjudicator
    function depositWithPermit(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external nonReentrant {
        (address token,) = _tokenOf(terms, assets, assetIndex);
        // Anyone may have used the permit before us. What counts is the allowance, and that the pull shows.
        try IERC20Permit(token).permit(msg.sender, address(this), amount, deadline, v, r, s) {} catch {}
        _pull(terms, assets, assetIndex, participant, amount);
    }

    /// @inheritdoc IAdjudicator
    function depositWithAuthorization(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        address owner,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant {
        (address token, bytes32 id) = _tokenOf(terms, assets, assetIndex);
        // The owner signs the nonce: so it is its word where the money goes, whoever sends this call.
        bytes32 nonce = keccak256(abi.encode(id, participant, salt));
        uint256 before = IERC20(token).balanceOf(address(this));
        IReceiveWithAuthorization source = IReceiveWithAuthorization(token);
        if (signature.length == 65) {
            bytes32 r = bytes32(signature[:32]);
            bytes32 s = bytes32(signature[32:64]);
            uint8 v = uint8(signature[64]);
            source.receiveWithAuthorization(owner, address(this), amount, validAfter, validBefore, nonce, v, r, s);
        } else {
            source.receiveWithAuthorization(owner, address(this), amount, validAfter, validBefore, nonce, signature);
        }
        _creditArrived(id, token, assetIndex, participant, before);
    }

    /// @inheritdoc IAdjudicator
    function depositWithPermit2(
        bytes32 terms,
        address[] calldata assets,
        uint256 assetIndex,
        uint256 participant,
        uint256 amount,
        address owner,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external nonReentrant {
        (address token, bytes32 id) = _tokenOf(terms, assets, assetIndex);
        uint256 before = IERC20(token).balanceOf(address(this));
        PERMIT2.permitWitnessTransferFrom(
            IPermit2.PermitTransferFrom(IPermit2.TokenPermissions(token, amount), nonce, deadline),
            IPermit2.SignatureTransferDetails(address(this), amount),
            owner,
            keccak256(abi.encode(DEPOSIT_TO_TYPEHASH, id, participant)),
            PERMIT2_WITNESS,
            signature
        );
        _creditArrived(id, token, assetIndex, participant, before);
    }

    function _pull(bytes32 terms, address[] calldata assets, uint256 assetIndex, uint256 participant, uint256 amount)
        private
    {
        (address token, bytes32 id) = _tokenOf(terms, assets, assetIndex);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _creditArrived(id, token, assetIndex, participant, before);
    }

    /// @dev The token to pull, and the channel's id.
    function _tokenOf(bytes32 terms, address[] calldata assets, uint256 assetIndex)
        private
        view
        returns (address token, bytes32 id)
    {
        Params.checkAssets(assets);
        require(assetIndex < assets.length, InvalidAssetIndex());
        token = assets[assetIndex];
        require(token != address(0), InvalidAssetIndex());
        id = Hashing.id(terms, assets[0], Hashing.moreAssets(assets), 0);
    }

    /// @dev Credits by what arrived, not by what was asked for: tokens may keep a fee.
    function _creditArrived(bytes32 id, address token, uint256 assetIndex, uint256 participant, uint256 before)
        private
    {
        uint256 afterwards = IERC20(token).balanceOf(address(this));
        require(afterwards >= before, BalanceDecreased());
        _credit(id, assetIndex, participant, afterwards - before);
    }

    function _credit(bytes32 id, uint256 assetIndex, uint256 participant, uint256 amount) private {
        require(amount != 0, NothingDeposited());
        (Channel storage channel_, Holding holding) = _openChannel(id);
        if (assetIndex != 0) holding = channel_.holdings[assetIndex];
        channel_.holdings[assetIndex] = holding.add(participant, amount);
        emit Deposited(id, participant, assetIndex, amount);
    }
}
