// Our own words for the classes of the built-in model, by WordNet id: what they are kinds of, and what else people call
// them, for the list of classes and for answers between relatives. A model with other classes does without.

import type { Class, Prediction } from '../../types/resnet.d.ts';
import type { Language } from './language.ts';

type Words = Record<Language, string>;

/** Classes of one kind. */
export interface Group {
  kind: Words; // what the group is a kind of
  name: Words;
  one: Words | null; // what any of them is; null for a group of leftovers
}

/** A class in its group, with all words in all languages by which it is found beside its label. */
export interface Member {
  group: Group;
  words: string[];
}

type Row = [one: [en: string, zh: string] | null, en: string, zh: string, words: string, members: string];

// For each kind its name, words and groups; for each of these what any member is, the name, words, and the members, each
// on a line with more words for it.
const KINDS: [en: string, zh: string, words: string, groups: Row[]][] = [
  ['Animals', '动物', 'animal beast 动物', [
    [['A dog', '狗'], 'Dogs', '狗', 'dog puppy pup hound mammal pet 狗 犬 小狗 宠物 哺乳动物', `
      n02085620
      n02094433 yorkie
      n02099601 retriever
      n02099712 retriever lab
      n02106662 alsatian shepherd
      n02113799 poodle 贵妇犬`],
    [['A cat', '猫科动物'], 'Cats', '猫科动物', 'cat feline mammal 猫 猫科 哺乳动物', `
      n02123045 kitten pet 小猫 宠物
      n02123394 kitten pet 小猫 宠物
      n02124075 kitten pet 小猫 宠物
      n02125311 puma panther mountain 美洲豹 山狮
      n02129165 lioness 雄狮`],
    [['A hoofed animal', '有蹄动物'], 'Hoofed animals', '有蹄动物', 'mammal hoof 哺乳动物 有蹄', `
      n02395406 hog swine piglet farm 小猪
      n02403003 cow bull farm 牛 公牛
      n02410509 buffalo 水牛
      n02415577 sheep ram goat 羊 绵羊 盘羊
      n02423022 antelope deer 羚羊 鹿
      n02437312 camel 骆驼`],
    [['An ape or a monkey', '猿或猴'], 'Apes and monkeys', '猿和猴', 'ape monkey primate mammal 猴 猴子 猿 灵长类 哺乳动物', `
      n02480495
      n02481823 chimp
      n02486410`],
    [null, 'Other mammals', '其他哺乳动物', 'mammal 哺乳动物', `
      n01882714 bear
      n02074367 manatee cow 海牛
      n02132136 grizzly 熊 棕熊
      n02364673 cavy rodent pet 荷兰猪 宠物
      n02504458 elephant 大象 象
      n02509815 panda 熊猫`],
    [['A bird', '鸟'], 'Birds', '鸟', 'bird 鸟 鸟类 飞禽', `
      n01855672 geese duck 雁 鸭
      n02002724 stork
      n02056570 penguin 企鹅
      n02058221 seagull gull 海鸥`],
    [['A reptile or an amphibian', '爬行或两栖动物'], 'Reptiles and amphibians', '爬行和两栖动物',
      'reptile amphibian 爬行动物 两栖动物', `
      n01629819 newt lizard 蜥蜴
      n01641577 frog toad 青蛙 蛙
      n01644900 frog toad 青蛙 蛙
      n01698640 crocodile 鳄鱼
      n01742172 snake python 蛇 蟒蛇`],
    [['An insect', '昆虫'], 'Insects', '昆虫', 'insect bug 昆虫 虫子', `
      n02165456 ladybug beetle 甲虫
      n02190166 housefly
      n02206856 honeybee bumblebee wasp 蜜蜂
      n02226429 locust cricket 蝗虫 蚂蚱
      n02231487 walking stick
      n02233338 roach
      n02236044 mantid
      n02268443
      n02279972 butterfly 蝴蝶
      n02281406 butterfly 蝴蝶`],
    [['A spider or a scorpion', '蜘蛛或蝎子'], 'Spiders and scorpions', '蜘蛛和蝎子', 'arachnid bug 蛛形 虫子', `
      n01770393
      n01774384 spider 蜘蛛
      n01774750 spider 蜘蛛`],
    [null, 'Sea animals, snails and others', '海洋动物及其他', '', `
      n01443537 fish pet 鱼 宠物
      n01768244 fossil 化石
      n01784675 bug insect 虫子
      n01910747 medusa 海蜇
      n01917289 coral 珊瑚
      n01944390 shell 螺
      n01945685 鼻涕虫
      n01950731 nudibranch
      n01983481 crab crayfish seafood 龙虾 虾 蟹
      n01984695 crab crayfish seafood 龙虾 虾 蟹
      n02321529`],
  ]],
  ['Food and plants', '食物和植物', 'food eat 食物 吃', [
    [['A fruit', '水果'], 'Fruit', '水果', 'fruit 水果', `
      n07747607 tangerine mandarin citrus 橘子 柑橘
      n07749582 citrus lime 柑橘
      n07753592
      n07768694`],
    [null, 'Vegetables, mushrooms and nuts', '蔬菜、蘑菇和坚果', 'plant 植物', `
      n07715103 vegetable cabbage 蔬菜 菜花 花菜
      n07720875 vegetable paprika capsicum 蔬菜 青椒 辣椒
      n07734744 fungus toadstool 菌
      n12267677 nut oak tree 坚果 橡树`],
    [['Food or drink', '食物或饮料'], 'Dishes and drinks', '菜肴和饮料', 'dish meal 菜 菜肴', `
      n07579787 dinner lunch 晚餐 午餐
      n07583066 avocado dip 牛油果
      n07614500 dessert sweet 甜点 雪糕
      n07615774 popsicle dessert sweet 甜点 雪糕
      n07695742 bread bakery 面包
      n07711569 puree 马铃薯
      n07871810 meat 肉
      n07873807 比萨
      n07875152 pastry 馅饼
      n07920052 coffee drink cup 咖啡 饮料`],
  ]],
  ['Vehicles', '交通工具', 'vehicle transport 交通工具 车辆', [
    [['A car', '汽车'], 'Cars', '汽车', 'car auto automobile 汽车 轿车 车', `
      n02814533 estate
      n03100240 cabriolet
      n03444034 kart racing 赛车
      n03670208
      n04285008 racing 赛车`],
    [['A bus or a van', '巴士或厢车'], 'Buses and vans', '巴士和厢车', 'car automobile 汽车 车', `
      n03796401 lorry truck 卡车 货车
      n03977966 police wagon 警车
      n04146614 bus coach 巴士 公交车
      n04487081 bus tram 巴士 公交车`],
    [null, 'Trains, boats and others', '火车、船及其他', '', `
      n02917067 train railway 火车 高铁
      n03393912 train railway wagon 火车 货车
      n03447447 boat ship 船
      n03599486 tuk-tuk 黄包车
      n03649909 mower garden 园艺
      n03662601 boat ship 船
      n04465501 farm 农场`],
  ]],
  ['Clothes', '衣物', 'clothes clothing wear fashion 衣服 服装 衣物 穿', [
    [['A piece of clothing', '衣服'], 'Clothes', '衣服', 'garment', `
      n02669723 graduation robe 毕业 袍
      n02730930
      n02837789 swimsuit bathing 泳衣 比基尼
      n02963159 sweater jumper jacket 毛衣
      n03026506 sock santa 圣诞
      n03404251 jacket 大衣 外套
      n03617480 dress robe 裙子
      n03763968 soldier army 军人
      n03770439 skirt 裙子
      n03980874 cape cloak 斗篷
      n04133789 shoe shoes footwear 鞋 鞋子
      n04254777 socks 袜子
      n04371430 swimsuit shorts 泳衣 短裤
      n04532106 priest robe 牧师 袍`],
    [null, 'Hats, bags and what else is worn', '帽子、包和佩戴物', 'accessory 配饰', `
      n02769748 bag rucksack 包 书包
      n02883205 necktie 领带
      n03424325 respirator 面具 口罩
      n03814639 collar
      n04251144 diving mask 潜水
      n04259630 hat 帽子
      n04356056 glasses shades 眼镜 墨镜`],
  ]],
  ['Places', '地方', 'place 地方 场所', [
    [['A landscape', '风景'], 'Landscapes', '风景', 'landscape nature scenery 风景 自然', `
      n09193705 mountain alp peak 山
      n09246464 rock 岩石 山崖
      n09256479 coral sea 珊瑚 海
      n09332890 lake water 湖
      n09428293 beach sea coast ocean 海滩 海 沙滩`],
    [['A building or a monument', '建筑或纪念物'], 'Buildings and monuments', '建筑和纪念物',
      'building monument architecture house 建筑 房子', `
      n02699494 church 教堂
      n02793495 farm 农场
      n02814860 tower 塔
      n03042490
      n03160309 water 水库
      n03388043 water 喷水池
      n03837869 column tower 碑
      n04417672 cottage hut 茅屋
      n04486054 arch gate 门
      n04562935 tower 塔`],
    [['A bridge', '桥'], 'Bridges', '桥', 'bridge 桥 桥梁', `
      n04311004
      n04366367
      n04532670`],
    [['A shop', '商店'], 'Shops', '商店', 'shop store 商店 店', `
      n02791270 hairdresser 发廊
      n02927161 meat 肉店
      n03089624 candy confectionery 糖果`],
  ]],
  ['Things', '物品', 'thing object 物品 东西', [
    [['A vessel', '容器'], 'Bottles, pots and pans', '瓶罐和锅', 'vessel container 容器', `
      n02795169 keg cask 桶
      n02815834 glass laboratory 玻璃
      n02823428 bottle drink 瓶子 啤酒
      n02909870 pail 桶
      n03400231 pan skillet kitchen 锅 厨房
      n03937543 bottle medicine 瓶子 药
      n03983396 bottle drink 瓶子 饮料
      n04398044 tea kettle kitchen 茶 壶 厨房
      n04560804 pitcher kitchen 水壶 厨房
      n04596742 pan kitchen 锅 厨房`],
    [null, 'House and furniture', '家居', 'household home 家 家居', `
      n02788148 stairs rail 楼梯
      n02808440 bath 浴室
      n02906734 sweep 扫把
      n02948072 light 灯
      n03014705 box trunk 箱子
      n03179701 table furniture office 桌子 家具
      n03201208 table furniture 桌子 家具
      n03637318 lamp light 灯
      n04070727 fridge kitchen 厨房
      n04099969 chair furniture 椅子 家具
      n04179913 sew 缝纫
      n04265275 radiator 暖气
      n03970156 bathroom 厕所
      n04507155 rain 伞
      n04597913 spoon kitchen 勺子 厨房`],
    [['A device', '设备'], 'Devices', '设备', 'device machine electronics 设备 机器 电子', `
      n02977058 atm bank 银行 提款机
      n02988304 music 音乐
      n03085013 typing pc 键盘
      n03584254 music mp3 音乐
      n03891332 car 停车
      n03902125 telephone phone 电话
      n04074963 tv television 电视
      n04149813 sport 比分
      n04328186 watch clock timer 表 钟`],
    [['A musical instrument', '乐器'], 'Music', '音乐', 'music instrument 音乐 乐器', `
      n03250847 drum 鼓
      n03838899 woodwind 管乐
      n03854065 church 教堂`],
    [['Sports gear', '运动用品'], 'Sport', '运动', 'sport game 运动 体育', `
      n02802426 ball 球
      n03255030 weight fitness gym 健身
      n04023962 boxing gym 拳击
      n04067472 fish angling 钓鱼
      n04118538 ball football 球
      n04540053 ball 球`],
    [null, 'Tools and others', '工具及其他', '', `
      n02666196 counting 算数
      n02841315 field glasses 望远镜
      n02843684 nest 鸟窝
      n02892201 sign 牌
      n02950826 gun weapon 武器 炮
      n02999410 metal 链子
      n03126707 machine 吊车
      n03355925 flag 旗
      n03544143 sandglass clock timer 钟
      n03706229 navigation 罗盘
      n03733131 festival 节日
      n03804744 tool hardware 工具
      n03930313 fence 围栏
      n03976657 stick rod 杆
      n03992509 pottery 陶艺
      n04008634 missile rocket weapon 武器 导弹
      n04275548 cobweb 蛛网
      n04376876 needle medicine 针 注射
      n04399382 toy doll bear 玩具 熊
      n04456115 fire 火
      n04501370 gate 闸机
      n06596364 book 书 漫画`],
  ]],
];

/** All members by their WordNet ids, in the order of the groups. */
export const members = new Map<string, Member>(KINDS.flatMap(([en, zh, words, groups]) => {
  const kind = { en, zh };
  return groups.flatMap(([one, en, zh, more, list]): [string, Member][] => {
    const group = { kind, name: { en, zh }, one: one && { en: one[0], zh: one[1] } };
    return list.trim().split('\n').map((line) => {
      const [id, ...own] = line.trim().split(' ');
      return [id, { group, words: [...own, ...more.split(' '), ...words.split(' ')].filter((w) => w !== '') }];
    });
  });
}));

/** Whether the groups are of use for a model: it has hardly any classes but ours. */
export const fits = (classes: readonly Class[]) => (
  classes.filter(({ id }) => members.has(id)).length > 0.9 * classes.length
);

// Probability of a group's members together, from which it is said that it is one of them. Of 3,000 validation images
// 5.7 % get such an answer, and 92 % of these show one.
const LIKELY = 0.8;

/** The group that the first prediction and others make likely together, where several share it. */
export function shared(predictions: readonly Prediction[]): Group | null {
  const group = members.get(predictions[0]?.id)?.group;
  if (!group?.one) return null;
  const relatives = predictions.filter(({ id }) => members.get(id)?.group === group);
  const sum = relatives.reduce((all, { probability }) => all + probability, 0);
  return relatives.length > 1 && sum >= LIKELY ? group : null;
}
