//! Whatever happened in blocks, taking them back restores the world to the last account and storage slot.

use super::{DevChain, DevChainConfig, Mining, Reinclude};
use proptest::prelude::*;
use strait_engine::ports::TxRequest;
use strait_types::abi::calls;
use strait_types::{Address, B256, Bytes, ChannelParams, Participant, Side, State, U256};

#[derive(Clone, Debug)]
enum Step {
    /// `sender` deposits in one of a few channels, or challenges or settles it.
    Deposit {
        sender: u8,
        channel: u64,
        wei: u8,
    },
    Challenge {
        sender: u8,
        channel: u64,
    },
    Settle {
        sender: u8,
        channel: u64,
    },
    Register {
        sender: u8,
        preimage: u8,
    },
    Transfer {
        sender: u8,
        to: u8,
        wei: u8,
    },
    Mine,
    Reorg {
        depth: usize,
        same: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let sender = 1u8..4;
    let channel = 0u64..3;
    prop_oneof![
        (sender.clone(), channel.clone(), 0u8..3).prop_map(|(sender, channel, wei)| Step::Deposit {
            sender,
            channel,
            wei
        }),
        (sender.clone(), channel.clone()).prop_map(|(sender, channel)| Step::Challenge { sender, channel }),
        (sender.clone(), channel).prop_map(|(sender, channel)| Step::Settle { sender, channel }),
        (sender.clone(), any::<u8>()).prop_map(|(sender, preimage)| Step::Register { sender, preimage }),
        (sender, 1u8..8, 0u8..3).prop_map(|(sender, to, wei)| Step::Transfer { sender, to, wei }),
        Just(Step::Mine),
        Just(Step::Mine),
        (0usize..6, any::<bool>()).prop_map(|(depth, same)| Step::Reorg { depth, same }),
    ]
}

fn params(nonce: u64) -> ChannelParams {
    let participant = |byte| {
        let address = Address::repeat_byte(byte);
        Participant { signer: address, payout: address }
    };
    ChannelParams {
        participants: [participant(1), participant(2)],
        challenge_duration: 3_600,
        nonce,
        app: Address::ZERO,
        child: B256::ZERO,
        assets: vec![Address::ZERO],
    }
}

/// The sender and its transaction; none for the other steps.
fn request(chain: &DevChain, step: &Step) -> Option<(Address, TxRequest)> {
    let zero = |channel| {
        let params = params(channel);
        (State::zero(params.id(chain.config().chain_id, chain.adjudicator()), 1), params)
    };
    let (sender, wei, data) = match *step {
        Step::Deposit { sender, channel, wei } => (sender, wei, calls::deposit(&params(channel), Side::Zero)),
        Step::Challenge { sender, channel } => {
            let (state, params) = zero(channel);
            (sender, 0, calls::challenge(&params, &state, None, None, Side::Zero, None))
        }
        Step::Settle { sender, channel } => {
            let (state, params) = zero(channel);
            (sender, 0, calls::settle(&params, &state))
        }
        Step::Register { sender, preimage } => {
            (sender, 0, calls::register_preimage(B256::repeat_byte(preimage)))
        }
        Step::Transfer { sender, to, wei } => {
            let request =
                TxRequest { to: Address::repeat_byte(to), value: U256::from(wei), data: Bytes::new() };
            return Some((Address::repeat_byte(sender), request));
        }
        Step::Mine | Step::Reorg { .. } => return None,
    };
    let request = TxRequest { to: chain.adjudicator(), value: U256::from(wei), data };
    Some((Address::repeat_byte(sender), request))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn taking_blocks_back_restores_the_world(steps in proptest::collection::vec(step(), 1..60)) {
        let config = DevChainConfig { mining: Mining::Manual, ..DevChainConfig::default() };
        let mut chain = DevChain::new(config).expect("deploys");
        (1..4).for_each(|byte| chain.fund(Address::repeat_byte(byte), U256::from(u128::MAX)));
        let start = chain.blocks.len();
        // The world after each block, from the deployment on.
        let mut worlds = vec![chain.world.clone()];
        for step in steps {
            if let Some((sender, request)) = request(&chain, &step) {
                chain.submit_from(sender, &request).ok();
            }
            match step {
                Step::Mine => {
                    chain.advance(1_000);
                    chain.mine();
                    worlds.push(chain.world.clone());
                }
                Step::Reorg { depth, same } => {
                    let depth = depth.min(chain.replaceable());
                    let pool = std::mem::take(&mut chain.pool);
                    let reinclude = if same { Reinclude::Same } else { Reinclude::Never };
                    chain.reorg(depth, &reinclude).expect("possible");
                    if !same {
                        let kept = worlds[worlds.len() - 1 - depth].clone();
                        let from = worlds.len() - depth;
                        worlds[from..].fill(kept);
                    }
                    prop_assert_eq!(worlds.len(), chain.blocks.len() + 1 - start);
                    chain.pool = pool;
                }
                _ => {}
            }
            prop_assert!(worlds.last() == Some(&chain.world));
            let positions = chain.blocks.iter().map(|block| block.transactions.len()).sum::<usize>();
            prop_assert_eq!(positions, chain.included.len());
        }
    }
}
